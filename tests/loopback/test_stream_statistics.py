import pytest

from clankvox.loopback.packet_dress import audio_header
from clankvox.loopback.stream_statistics import StreamStatistics
from clankvox.wire.rtp import SILENCE_FRAME

DAVE_FRAME = bytes(20) + bytes(8) + b"\x01" + b"\x0c\xfa\xfa"


def stream(*packets):
    """Takes (sequence, timestamp, arrival_s) and perhaps a payload."""
    statistics = StreamStatistics()
    for sequence, timestamp, arrival_s, *payload in packets:
        statistics.arrived(audio_header(sequence, timestamp, 1), payload[0] if payload else b"frame", arrival_s)
    return statistics.report()


def test_even_packets_leave_no_mark():
    report = stream(*((index & 0xFFFF, index * 960 & 0xFFFFFFFF, index * 0.02) for index in range(65_500, 65_600)))
    assert report["packets"] == 100
    assert report["maxGapMs"] == pytest.approx(20)
    assert (report["gapsOver35Ms"], report["gapsUnder5Ms"], report["seqGaps"], report["timestampAnomalies"]) == (0,) * 4


def test_a_stutter_and_the_burst_after_it_are_seen():
    report = stream((1, 960, 0.0), (2, 1920, 0.060), (3, 2880, 0.061))
    assert (report["maxGapMs"], report["gapsOver35Ms"], report["gapsUnder5Ms"]) == (60, 1, 1)


def test_a_pause_is_no_gap():
    moved_on = stream((1, 960, 0.0), (2, 960 * 101, 2.0))
    stood_still = stream((1, 960, 0.0, SILENCE_FRAME), (2, 1920, 2.0))
    assert moved_on["maxGapMs"] == stood_still["maxGapMs"] == 0
    assert moved_on["timestampAnomalies"] == 0


def test_missing_late_and_oddly_stamped_packets_are_counted():
    report = stream((1, 960, 0.0), (4, 3840, 0.06), (3, 2880, 0.07), (5, 4807, 0.08), (6, 4807, 0.1))
    assert (report["seqGaps"], report["seqLate"], report["timestampAnomalies"]) == (2, 1, 2)


def test_padding_only_packets_repeat_a_timestamp():
    assert stream((1, 960, 0.0), (2, 960, 0.01, b""), (3, 1920, 0.02))["timestampAnomalies"] == 0


@pytest.mark.parametrize(
    ("frame", "due", "in_transition", "counted"),
    [
        (b"\xfcopus", True, False, "plaintextFrames"),
        (b"\xfcopus", True, True, "plaintextInTransition"),
        (b"\xfcopus", False, False, None),
        (SILENCE_FRAME, True, False, "silenceFrames"),
        (SILENCE_FRAME + b"\0", True, False, "plaintextFrames"),
        (DAVE_FRAME, True, False, "daveFrames"),
        (b"", True, False, None),
    ],
)
def test_frames_are_classified(frame, due, in_transition, counted):
    statistics = StreamStatistics()
    statistics.watch(frame, encryption_due=due, in_transition=in_transition)
    kinds = ("plaintextFrames", "plaintextInTransition", "silenceFrames", "daveFrames")
    assert {kind for kind in kinds if statistics.report()[kind]} == ({counted} if counted else set())
