"""Which frames are whole, and which only seem so."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.media.frame_assembler import MOST_FRAME_BYTES, MOST_NALS, Damage, FrameAssembler
from clankvox.media.video_reorder import OrderedPacket, VideoPacket
from clankvox.wire import vp8
from clankvox.wire.h264 import join_annex_b, packetise
from clankvox.wire.video_codec import VideoCodec

KEY = [b"\x67sps", b"\x68pps", b"\x65" + b"k" * 90]
DELTA = [b"\x41" + b"d" * 60]


class Bench:
    def __init__(self, codec=VideoCodec.H264):
        self.damage = []
        self.assembler = FrameAssembler(codec, self.damage.append)
        self.timestamp = 0

    def push(self, payload, marker=False, after_gap=False, timestamp=None):
        at = self.timestamp if timestamp is None else timestamp
        return self.assembler.push(OrderedPacket(VideoPacket(payload, 0, at, marker, 1.5), after_gap))

    def frame(self, payloads, first_after_gap=False):
        """Push a frame; returns what it became."""
        self.timestamp += 3_000
        last = len(payloads) - 1
        made = [self.push(each, n == last, first_after_gap and n == 0) for n, each in enumerate(payloads)]
        assert made[:-1] == [None] * last
        return made[-1]


def begun():
    bench = Bench()
    assert bench.frame(packetise(KEY, 30), first_after_gap=True).data == join_annex_b(KEY)
    return bench


def test_a_frame_ends_with_its_marker_and_carries_its_packets():
    bench = begun()
    payloads = packetise(DELTA, 30)
    frame = bench.frame(payloads)
    assert frame == (join_annex_b(DELTA), tuple(payloads), 6_000, 1.5, False)
    assert bench.damage == []


@pytest.mark.parametrize("first", [[b"\x09\xf0"], [b"\x67sps"], [b"\x78\x00\x02\x67a\x00\x02\x68b"]])
def test_after_a_gap_a_frame_counts_that_begins_as_only_whole_ones_do(first):
    bench = Bench()
    assert bench.frame([*first, b"\x65slice"], first_after_gap=True).after_loss


@pytest.mark.parametrize("first", [[b"\x68pps"], [b"\x65slice"], [b"\x06sei"], packetise(DELTA, 30)])
def test_after_a_gap_any_other_frame_may_lack_its_beginning(first):
    bench = Bench()
    assert bench.frame([*first, b"\x41slice"], first_after_gap=True) is None
    assert bench.damage == [Damage.INCOMPLETE]
    assert bench.frame([b"\x41next"]).after_loss


def test_a_gap_within_a_frame_drops_it_once_and_its_rest():
    bench = begun()
    payloads = packetise(DELTA, 20)
    bench.timestamp += 3_000
    bench.push(payloads[0])
    bench.push(payloads[2], after_gap=True)
    assert bench.push(payloads[3], marker=True) is None
    assert bench.damage == [Damage.INCOMPLETE, Damage.INCOMPLETE]
    assert bench.frame(packetise(DELTA, 20)).data == join_annex_b(DELTA)


def test_a_new_timestamp_without_a_marker_drops_what_was_open_and_begins_surely():
    bench = begun()
    bench.push(b"\x41a", timestamp=1)
    assert bench.push(b"\x41b", marker=True, timestamp=2).data == join_annex_b([b"\x41b"])
    assert bench.damage == [Damage.INCOMPLETE]


def test_padding_within_and_between_frames_is_skipped():
    bench = begun()
    assert bench.push(b"") is None
    assert bench.frame([b"\x41a", b"", b"\x41b"]).data == join_annex_b([b"\x41a", b"\x41b"])
    assert bench.damage == []


def test_a_fragment_needs_its_start_and_its_end():
    start, middle, end = packetise([b"\x41" + b"x" * 50], 20)
    for payloads in ([middle, end], [end], [start, middle], [start, start, end], [start, b"\x41other", end]):
        bench = begun()
        assert bench.frame(payloads) is None
        assert bench.damage == [Damage.INCOMPLETE]
        assert bench.frame([b"\x41next"]).after_loss


def test_a_packet_that_cannot_be_spoils_its_frame_only():
    bench = begun()
    assert bench.frame([b"\x41a", b"\x1fxx", b"\x41b"]) is None
    assert bench.damage == [Damage.MALFORMED]
    assert bench.frame([b"\x41next"]) is not None


def test_ten_thousand_units_are_the_most_of_a_frame():
    assert begun().frame([b"\x41"] * MOST_NALS) is not None
    bench = begun()
    assert bench.frame([b"\x41"] * (MOST_NALS + 1)) is None
    aggregate = b"\x78" + b"\x00\x01\x41" * (MOST_NALS + 1)
    assert bench.frame([aggregate]) is None
    assert bench.damage == [Damage.OVERSIZE] * 2


def test_eight_mebibytes_are_the_most_of_a_frame_and_no_more_is_kept():
    bench = begun()
    fragments = packetise([b"\x41" + bytes(MOST_FRAME_BYTES)], 60_000)
    bench.timestamp += 3_000
    for payload in fragments[:-1]:
        bench.push(payload)
    assert bench.push(fragments[-1], marker=True) is None
    assert bench.damage == [Damage.OVERSIZE]
    bench.timestamp += 3_000
    for _ in range(1_000):
        bench.push(fragments[0] if _ == 0 else fragments[1])
    assert bench.damage == [Damage.OVERSIZE] * 2
    assert bench.assembler._pieces == []


def test_vp8_frames_begin_where_their_packets_say_so():
    bench = Bench(VideoCodec.VP8)
    payloads = vp8.packetise(b"\x10frame of some length", 1, 10)
    assert bench.frame(payloads, first_after_gap=True).data == b"\x10frame of some length"
    assert bench.frame(payloads[1:]) is None
    assert bench.frame([payloads[0], *payloads]) is None
    assert bench.frame(payloads).after_loss
    assert bench.damage == [Damage.INCOMPLETE] * 2


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.binary(max_size=40), st.booleans(), st.booleans(), st.integers(0, 3)), max_size=60),
    st.sampled_from(VideoCodec),
)
def test_random_packets_never_raise(packets, codec):
    bench = Bench(codec)
    for payload, marker, after_gap, timestamp in packets:
        bench.push(payload, marker, after_gap, timestamp)
