"""Speech that was made ahead sounds like any other, at its time."""

import asyncio
from itertools import pairwise

import pytest

from clankvox.clock import SystemClock
from clankvox.loopback.discord import LoopbackDiscord
from clankvox.loopback.rehearsal import Stage
from clankvox.wire.seq import seq_delta, timestamp_delta
from tests.support.raw_client import RawClient

WHERE = ("127.0.0.1", 9)
SLOT_S = 0.02
FRAMES = 10


class Beats:
    """A track whose datagrams tell when they are due."""

    def __init__(self, name, phase_s, stage):
        self.name, self.phase_s, self.stage = name, phase_s, stage

    def rehearse(self, begin_s, end_s, at):
        due_s, said = begin_s + self.phase_s, 0
        while due_s < end_s:
            at(due_s)
            self.stage.send(f"{self.name} {said}".encode(), WHERE)
            due_s, said = due_s + SLOT_S, said + 1
        return said


async def perform(seconds, *phases_s):
    clock, sent, all_sent = SystemClock(), [], asyncio.Event()

    def wire(datagram, _):
        sent.append((clock.now(), datagram.decode()))
        if len(sent) == FRAMES:
            all_sent.set()

    stage = Stage(wire, clock)
    tracks = [Beats(name, phase_s, stage) for name, phase_s in zip("ab", phases_s, strict=True)]
    begin_s, frames = await stage.rehearse(tracks, seconds)
    assert frames == FRAMES
    nothing_early = not sent
    await asyncio.wait_for(all_sent.wait(), 10)
    return begin_s, sent, nothing_early


def test_what_was_made_leaves_in_order_and_never_before_its_time():
    begin_s, sent, nothing_early = asyncio.run(perform(0.095, 0.0, 0.01))
    assert nothing_early
    assert [name for _, name in sent] == [f"{track} {number}" for number in range(5) for track in "ab"]
    due_s = [begin_s + SLOT_S * number + phase_s for number in range(5) for phase_s in (0.0, 0.01)]
    assert all(at_s >= due - 0.001 for (at_s, _), due in zip(sent, due_s, strict=True))


def test_what_is_said_outside_a_rehearsal_leaves_at_once():
    sent = []
    stage = Stage(lambda datagram, address: sent.append((datagram, address)), SystemClock())
    stage.send(b"now", WHERE)
    assert sent == [(b"now", WHERE)]


def test_a_client_hears_a_rehearsed_member_go_on_where_it_was():
    with LoopbackDiscord(tls=False) as discord, RawClient(discord, 1) as client:
        discord.command({"type": "add_speaker", "userId": "2", "tone": 300})
        before = client.hear(3)
        answer = discord.command({"type": "rehearse", "seconds": 0.2})
        assert answer["frames"] == pytest.approx(10, abs=1)
        heard = before + client.hear(20)  # half of them made live again
        assert {user for user, _, _ in heard} == {2}
        headers = [header for _, header, _ in heard]
        assert all(seq_delta(b.sequence, a.sequence) in {1, 2} for a, b in pairwise(headers))
        assert all(timestamp_delta(b.timestamp, a.timestamp) % 960 == 0 for a, b in pairwise(headers))
        assert discord.stats(2)["framesSent"] >= 23
