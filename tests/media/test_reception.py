"""RFC 3550 statistics, with aiortc's as a second opinion."""

import random

from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import RtpPacket

from clankvox.ids import Ssrc
from clankvox.media.reception import Reception
from clankvox.wire.rtcp import ReceiverReport, SenderReport, build_packet


def test_nothing_is_reported_while_nothing_comes():
    reception = Reception(Ssrc(5))
    assert reception.block(1.0) is None
    reception.observe(1, 0, 1.0)
    assert reception.block(2.0) is not None
    assert reception.block(3.0) is None


def test_losses_are_reported_of_the_interval_and_of_all_time():
    reception = Reception(Ssrc(5))
    for number in range(65_500, 65_600):
        if number % 4:
            reception.observe(number & 0xFFFF, 0, 1.0)
    first = reception.block(1.0)
    assert first.ssrc == 5
    assert (first.cumulative_lost, first.fraction_lost) == (24, 24 * 256 // 99)
    assert first.highest_sequence == 65_599
    for number in range(65_600, 65_700):
        reception.observe(number & 0xFFFF, 0, 1.0)
    second = reception.block(2.0)
    assert (second.cumulative_lost, second.fraction_lost) == (24, 0)
    assert second.highest_sequence == 65_699


def test_duplicates_make_no_negative_loss_of_the_interval():
    reception = Reception(Ssrc(5))
    for _ in range(3):
        reception.observe(10, 0, 1.0)
    block = reception.block(1.0)
    assert (block.cumulative_lost, block.fraction_lost) == (-2, 0)


def test_jitter_and_loss_are_what_an_independent_implementation_reckons(monkeypatch):
    rng = random.Random(3)
    ours, theirs = Reception(Ssrc(5)), StreamStatistics(clockrate=90_000)
    now = 10.0
    monkeypatch.setattr("aiortc.rtcrtpreceiver.time.time", lambda: now)
    for number in range(400):
        now += 1 / 30 + rng.uniform(-0.01, 0.01)
        if rng.random() < 0.05:
            continue
        packet = RtpPacket(sequence_number=(65_400 + number) & 0xFFFF, timestamp=number * 3_000)
        ours.observe(packet.sequence_number, packet.timestamp, now)
        theirs.add(packet)
    block = ours.block(now)
    assert (block.cumulative_lost, block.fraction_lost) == (theirs.packets_lost, theirs.fraction_lost)
    assert abs(block.jitter - theirs.jitter) <= 2


def test_the_age_of_the_senders_report_is_in_65536ths_of_a_second():
    reception = Reception(Ssrc(5))
    reception.observe(1, 0, 1.0)
    reception.on_sender_report(SenderReport(Ssrc(5), 0x1111_2222_3333_4444, 0, 0, 0), 1.0)
    block = reception.block(3.5)
    assert (block.last_sr, block.delay_since_last_sr) == (0x2222_3333, 163_840)


def test_a_pause_of_days_is_no_jitter_that_could_not_be_reported():
    reception = Reception(Ssrc(5))
    for day in range(0, 90, 30):
        reception.observe(day, day * 3_000, day * 86_400.0)
        build_packet(ReceiverReport(Ssrc(1), (reception.block(day * 86_400.0),)))


def test_a_sender_that_begins_anew_loses_nothing():
    reception = Reception(Ssrc(5))
    for number in [*range(10), *range(30_000, 30_010)]:
        reception.observe(number, 0, 1.0)
    assert reception.block(1.0).cumulative_lost == 0
