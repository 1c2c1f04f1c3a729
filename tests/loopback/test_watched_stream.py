import pytest

from clankvox.loopback import h264_payload
from clankvox.loopback.clock_picture import Stamp
from clankvox.loopback.picture_decoder import Decoded
from clankvox.loopback.watched_stream import WatchedStream
from clankvox.wire.rtcp import SenderReport

KEY = h264_payload.join([b"\x67sps", b"\x68pps", b"\x65idr"])
DELTA = h264_payload.join([b"\x41slice"])


@pytest.fixture
def stream():
    return WatchedStream(1, 11, "H264", 0.25, 0.0)


def saw(counter, at_s, size=(320, 180)):
    return Decoded(11, size, None if counter is None else Stamp(counter, round((at_s - 0.02) * 1000)), at_s)


def test_nothing_is_decoded_before_the_first_key_frame_which_is_asked_for_twice_a_second(stream):
    assert [stream.pli_due(now) for now in (0.0, 0.2, 0.49, 0.5, 0.6, 1.0)] == [True, False, False, True, False, True]
    assert not stream.may_decode(DELTA, 1.1)
    assert stream.may_decode(KEY, 1.2)
    assert stream.may_decode(DELTA, 1.3)
    assert not stream.pli_due(9.0)
    assert stream.report()["withheld"] == 1
    assert stream.report()["recoveriesMs"] == []


def test_after_a_loss_it_waits_for_a_key_frame_and_says_how_long_that_took(stream):
    stream.may_decode(KEY, 0.0)
    stream.decoded(saw(0, 0.1))
    stream.broken(1.0)
    stream.broken(1.1)
    assert stream.pli_due(1.1)
    assert not stream.may_decode(DELTA, 1.2)
    assert stream.may_decode(KEY, 1.25)
    stream.decoded(saw(30, 1.3))
    report = stream.report()
    assert report["recoveriesMs"] == [250]
    assert report["longestFreezeMs"] == 1200
    assert (report["distinct"], report["expected"], report["firstCounter"], report["lastCounter"]) == (2, 31, 0, 30)
    assert report["latencyMs"] == pytest.approx(20, abs=1)


def test_what_does_not_decode_needs_a_key_frame_and_a_picture_without_a_clock_is_counted(stream):
    stream.may_decode(KEY, 0.0)
    stream.decoded(saw(None, 0.1))
    stream.decoded(saw(None, 0.2, size=None))
    report = stream.report()
    assert (report["decoded"], report["withoutClock"], report["decodeErrors"], report["waitsForKey"]) == (1, 1, 1, True)


def test_a_report_block_tells_loss_jitter_and_the_last_sender_report(stream):
    for index in range(10):
        stream.arrived(index * 3000, index / 30 + (0.01 if index % 2 else 0))
        if index not in (4, 5):
            stream.inlet.take(index, index * 3000, b"\x41x", index / 30, marker=True)
    stream.inlet.give_up(9.0)
    stream.sender_reported(SenderReport(11, 0x1_2345_6789_ABCD, 0, 0, 0), 8.0)
    block = stream.block(9.0)
    assert (block.ssrc, block.cumulative_lost, block.fraction_lost, block.highest_sequence) == (11, 2, 51, 9)
    assert (block.last_sr, block.delay_since_last_sr) == (0x2345_6789 & 0xFFFF_FFFF, 65_536)
    assert 0 < block.jitter < 900
    assert stream.block(9.5).fraction_lost == 0
