from random import Random

import pytest

from clankvox.errors import TransportLost
from clankvox.media.frame_cipher import FrameCipher, Gate
from clankvox.media.packet_sealer import PacketSealer
from clankvox.media.publish_way import PublishWay, WayOut
from clankvox.media.sender_report import ReportClock
from clankvox.media.video_encoder import AccessUnit
from clankvox.media.video_path import PublishCounters
from clankvox.wire.rtcp import RTCP_CLEAR_BYTES, Nack, Pli, parse_compound
from clankvox.wire.rtp import parse_header
from clankvox.wire.transport_crypto import available_modes, open_sealed
from tests.support.fake_shells import SteppedPacer
from tests.support.manual_clock import ManualClock

AUDIO, VIDEO, RTX = 1, 2, 3
KEY = bytes(range(32))
MODE = available_modes()[0]


class Link:
    """A way with one connection, and what left on it."""

    def __init__(self):
        self.clock = ManualClock()
        self.pacer = SteppedPacer(self.clock)
        self.cipher = FrameCipher()
        self.cipher.set_gate(Gate.CLEAR)
        self.sent, self.wanted = [], []
        self.counters = PublishCounters()
        out = WayOut(self.cipher, self.pacer, self.transmit, self.counters, ReportClock(1_000, 0.0), Random(1))
        self.way = PublishWay(out, lambda: self.wanted.append(self.clock.now()))
        self.broken = False
        self.sender = self.way.open(AUDIO, VIDEO, RTX, PacketSealer(MODE, KEY))

    def transmit(self, datagram):
        if self.broken:
            raise TransportLost("gone")
        self.sent.append(datagram)

    def reports(self):
        self.way.report(self.clock.now())
        sent, self.sent = self.sent, []
        return [parse_compound(d[:8] + open_sealed(MODE, KEY, d, RTCP_CLEAR_BYTES))[0] for d in sent]


def test_nothing_is_reported_before_something_has_left():
    assert Link().reports() == []


def test_sound_is_reported_with_the_instant_that_its_timestamp_means():
    link = Link()
    link.clock.move_to(link.clock.now() + 1)
    link.way.sound_left(100, 960, link.clock.now())
    (report,) = link.reports()
    assert (report.ssrc, report.packets, report.octets, report.rtp_timestamp) == (AUDIO, 1, 100, 960)


def test_requests_of_viewers_reach_the_encoder():
    link = Link()
    link.way.receive(Pli(9, VIDEO), 0.0)
    link.way.receive(Pli(9, 77), 0.0)
    assert len(link.wanted) == 1


def test_a_connection_that_is_closed_hears_and_reports_nothing():
    link = Link()
    link.way.sound_left(100, 960, 0.0)
    link.way.close()
    link.way.close()
    link.way.receive(Pli(9, VIDEO), 0.0)
    link.way.sound_left(100, 960, 0.0)
    assert (link.reports(), link.wanted) == ([], [])


def test_a_report_that_cannot_be_sent_is_not_repeated():
    link = Link()
    link.way.sound_left(100, 960, 0.0)
    link.broken = True
    link.way.report(1.0)
    assert link.sent == []


@pytest.mark.parametrize("reopened", [False, True])
def test_packets_of_a_connection_that_is_over_never_leave(reopened):
    link = Link()
    unit = AccessUnit(b"\0\0\0\1\x65" + bytes(9_000), keyframe=True)
    assert link.sender.send(link.sender.lease(), unit, 0.0, spread_s=0.03, now=link.clock.now())
    assert link.pacer.backlog_s(VIDEO) > 0
    if reopened:
        link.way.open(AUDIO, VIDEO, RTX, PacketSealer(MODE, KEY))
    else:
        link.way.close()
    assert link.pacer.backlog_s(VIDEO) == 0


def test_a_missing_packet_is_sent_again_on_the_other_ssrc():
    link = Link()
    unit = AccessUnit(b"\0\0\0\1\x65" + bytes(900), keyframe=True)
    link.sender.send(link.sender.lease(), unit, 0.0, spread_s=0.0, now=link.clock.now())
    (packet,) = link.pacer.drop(VIDEO)
    packet.send()
    sequence = parse_header(link.sent.pop()).sequence
    link.way.receive(Nack(9, VIDEO, (sequence,)), link.clock.now() + 0.01)
    (again,) = link.pacer.drop(RTX)
    again.send()
    assert parse_header(link.sent.pop()).ssrc == RTX
