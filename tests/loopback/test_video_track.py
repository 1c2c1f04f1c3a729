import random

import pytest

from clankvox.loopback import h264_payload, vp8_payload
from clankvox.loopback.video_track import VideoTrack
from clankvox.wire.seq import timestamp_delta

UNIT = h264_payload.join([b"\x67sps", b"\x65" + bytes(range(1, 250)) * 20])


def track(codec="H264", seed=1):
    return VideoTrack(codec, 11, 12, random.Random(seed))


@pytest.mark.parametrize(("codec", "payload_type"), [("H264", 101), ("VP8", 97)])
def test_the_packets_of_a_picture_share_a_timestamp_and_the_last_one_has_the_marker(codec, payload_type):
    made = track(codec)
    depacketise = h264_payload.depacketise if codec == "H264" else vp8_payload.depacketise
    before = None
    for index in range(200):
        packets = made.packetise(UNIT, index / 30)
        content = [packet for packet in packets if packet.payload]
        assert [packet.header.marker for packet in content] == [False] * (len(content) - 1) + [True]
        assert {(packet.header.ssrc, packet.header.payload_type) for packet in packets} == {(11, payload_type)}
        assert depacketise(packet.payload for packet in packets) == UNIT
        for packet in packets:
            assert before is None or packet.header.sequence == before.sequence + 1 & 0xFFFF
            assert before is None or timestamp_delta(packet.header.timestamp, before.timestamp) in (0, 3000)
            before = packet.header
    assert made.packets > 200 * len(content)  # some were padding only


def test_a_retransmission_has_the_original_number_before_its_payload_and_one_of_its_own():
    made = track()
    packets = made.packetise(UNIT, 0.0)
    first, second = (made.again(packets[index].header.sequence) for index in (1, 1))
    assert first.payload == packets[1].header.sequence.to_bytes(2, "big") + packets[1].payload
    assert (first.header.ssrc, first.header.payload_type) == (12, 102)
    assert second.header.sequence == first.header.sequence + 1 & 0xFFFF
    assert made.again(packets[0].header.sequence - 1 & 0xFFFF) is None


def test_a_sender_report_ties_the_clock_to_the_timestamp():
    made = track()
    made.packetise(UNIT, 0.0)
    report = made.report(2.0, 5 << 32)
    assert timestamp_delta(report.rtp_timestamp, made.timestamp_at(0.0)) == 180_000
    assert (report.ssrc, report.ntp, report.packets) == (11, 5 << 32, made.packets)
