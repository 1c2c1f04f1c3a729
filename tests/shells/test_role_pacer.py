import pytest

from clankvox.ids import Role, Ssrc
from clankvox.ports import SendOutcome
from clankvox.shells.pacer import Pacer
from clankvox.shells.role_pacer import RolePacer
from tests.support.manual_clock import ManualClock

SAME = Ssrc(7)


class Packet:
    def __init__(self, name, sent):
        self.name, self.sent = name, sent

    def send(self):
        self.sent.append(self.name)
        return SendOutcome.SENT


@pytest.fixture
def clock():
    return ManualClock(1000.0)


@pytest.fixture
def pacer(clock):
    return Pacer(clock)


@pytest.fixture
def roles(pacer):
    return RolePacer(pacer, Role.VOICE), RolePacer(pacer, Role.STREAM_PUBLISH)


def serve(pacer, clock, voice):
    clock.advance(max(0.0, voice.next_deadline(Ssrc(99)) - clock.now()))
    pacer.serve_slot(clock.now())


def test_two_servers_may_give_us_the_same_ssrc(pacer, clock, roles):
    sent, told = [], []
    for name, role in zip(("call", "stream"), roles, strict=True):
        role.subscribe(SAME, lambda _report, name=name: told.append(name), Packet(f"{name} 1", sent))
        assert role.arm(SAME, Packet(f"{name} 2", sent))
    serve(pacer, clock, roles[0])
    assert (sent, told) == (["call 1", "stream 1"], ["call", "stream"])

    assert [packet.name for packet in roles[1].disarm(SAME)] == ["stream 2"]
    assert [packet.name for packet in roles[1].unsubscribe(SAME)] == []
    assert not roles[1].arm(SAME, Packet("stream 3", sent))
    serve(pacer, clock, roles[0])
    assert sent[2:] == ["call 2"]
    assert told[2:] == ["call"]
