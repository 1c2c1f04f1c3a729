import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.ids import CaptureId, UserId
from clankvox.ipc.framing import (
    FRAME_END_BYTES,
    LINE_LIMIT_BYTES,
    TOO_LARGE,
    FrameTooLarge,
    LineSplitter,
    TimingBlock,
    frame_json,
    frame_user_audio,
)

PCM = bytes([1, 2, 3, 4])


def split(*chunks: bytes):
    splitter = LineSplitter()
    return [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.finish()


def test_lines_are_trimmed_and_blank_ones_skipped():
    assert split(b"  a \r\n\r\n \t \nb\r\n\n") == [b"a", b"b"]


def test_a_line_may_arrive_in_any_number_of_pieces():
    assert split(b"a", b"b", b"", b"\nc", b"\n") == [b"ab", b"c"]


def test_the_unterminated_tail_is_a_line():
    assert split(b"a\nb") == [b"a", b"b"]


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_of_exactly_the_cap_is_accepted(end):
    line = b"x" * LINE_LIMIT_BYTES
    assert split(line + end + b"after\n"[: 6 * len(end)]) == [line, *([b"after"] if end else [])]


@pytest.mark.parametrize("end", [b"\n", b""])
def test_one_byte_over_the_cap_is_too_large_through_newline_or_end(end):
    assert split(b"x" * LINE_LIMIT_BYTES, b"x", b"y" + end) == [TOO_LARGE]


def test_the_line_after_an_oversized_one_works():
    assert split(b"x" * (3 * LINE_LIMIT_BYTES) + b"\n", b"{}\n") == [TOO_LARGE, b"{}"]


def test_an_oversized_blank_line_is_too_large_all_the_same():
    assert split(b" " * (LINE_LIMIT_BYTES + 1) + b"\n") == [TOO_LARGE]


def test_an_oversized_line_is_not_buffered():
    splitter = LineSplitter()
    for _ in range(3):
        splitter.feed(b"x" * LINE_LIMIT_BYTES)
    assert splitter._parts == []


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=6))
def test_where_a_stream_is_cut_makes_no_difference(stream, cuts):
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(edges)]
    assert split(*pieces) == split(stream) == [x.strip() for x in stream.split(b"\n") if x.strip()]


def test_a_json_frame_has_format_0_and_a_little_endian_length():
    assert frame_json(b'{"a":1}') == b"\x00\x07\x00\x00\x00" + b'{"a":1}'
    assert frame_json(b"") == b"\x00\x00\x00\x00\x00"


def test_user_audio_without_capture_id_has_the_short_header():
    frame = frame_user_audio(UserId(42), None, PCM, peak=7, active=1, total=2)
    assert frame == bytes.fromhex("01 16000000 2A00000000000000 0700 01000000 02000000 01020304")


def test_user_audio_with_capture_id_carries_it():
    frame = frame_user_audio(UserId(42), CaptureId("k1"), PCM, peak=7, active=1, total=2)
    assert frame == bytes.fromhex("01 1A000000 2A00000000000000 0700 01000000 02000000 0200 6B31 01020304")
    assert isinstance(frame, bytearray)  # so that it can be wiped


@pytest.mark.parametrize("pcm", [PCM, bytearray(PCM), memoryview(PCM), memoryview(PCM).cast("h")])
def test_pcm_may_be_any_buffer(pcm):
    assert frame_user_audio(UserId(1), None, pcm, 0, 0, 2).endswith(PCM)


@given(
    st.integers(0, 2**64 - 1),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.binary(max_size=64),
    st.integers(0, 2**16 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
)
def test_user_audio_reads_back_as_written(user, capture, pcm, peak, active, total):
    frame = bytes(frame_user_audio(UserId(user), CaptureId(capture), pcm, peak, active, total))
    assert struct.unpack_from("<BIQHII", frame) == (1, len(frame) - 5, user, peak, active, total)
    if not capture:
        assert frame[23:] == pcm
        return
    (length,) = struct.unpack_from("<H", frame, 23)
    assert frame[25 : 25 + length].decode() == capture
    assert frame[25 + length :] == pcm


@pytest.mark.parametrize(
    ("user", "capture", "peak", "active", "total"),
    [
        (2**64, None, 0, 0, 0),
        (-1, None, 0, 0, 0),
        (1, None, 2**16, 0, 0),
        (1, None, 0, 2**32, 0),
        (1, "k" * 65_536, 0, 0, 0),
    ],
)
def test_what_does_not_fit_the_header_is_refused(user, capture, peak, active, total):
    with pytest.raises(FrameTooLarge):
        frame_user_audio(user, capture, PCM, peak, active, total)


def test_the_longest_capture_id_fits():
    frame = frame_user_audio(UserId(1), CaptureId("k" * 65_535), PCM, 0, 0, 2)
    assert frame[23:25] == b"\xff\xff"


def test_every_frame_is_shorter_than_32_mib():
    longest = bytes(FRAME_END_BYTES - 6)
    assert len(frame_json(longest)) == FRAME_END_BYTES - 1
    with pytest.raises(FrameTooLarge):
        frame_json(longest + b"x")
    with pytest.raises(FrameTooLarge):
        frame_user_audio(UserId(1), None, longest, 0, 0, 0)


@pytest.mark.parametrize(("capture", "label"), [(None, "0000"), (CaptureId("k1"), "0200 6B31")])
def test_audio_with_its_timing_is_a_format_of_its_own_and_always_has_a_capture_id(capture, label):
    timing = TimingBlock(origin=2, media_time=0x0102, arrival=0x0304, duration=960)
    frame = frame_user_audio(UserId(42), capture, PCM, peak=7, active=1, total=2, timing=timing)
    head = "2A00000000000000 0700 01000000 02000000" + label
    block = "1A00 01 02 0000 0201000000000000 0403000000000000 C0030000"
    payload = bytes.fromhex(head + block) + PCM
    assert frame == b"\x02" + len(payload).to_bytes(4, "little") + payload


@pytest.mark.parametrize("timing", [(256, 0, 0, 0), (0, -1, 0, 0), (0, 0, 2**64, 0), (0, 0, 0, 2**32)])
def test_a_timing_that_does_not_fit_is_refused(timing):
    with pytest.raises(FrameTooLarge):
        frame_user_audio(UserId(1), None, PCM, 0, 0, 2, TimingBlock(*timing))
