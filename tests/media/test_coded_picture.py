from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.errors import WireError
from clankvox.media.coded_picture import MOST_SETS, read_picture
from clankvox.media.frame_assembler import MOST_NALS
from clankvox.wire.h264 import START_CODE, join_annex_b
from clankvox.wire.video_codec import VideoCodec
from tests.support.coded_video import access_units
from tests.support.watching import widened

KEY_VP8 = b"\x10\x02\x00\x9d\x01\x2a\x80\x02\xe0\x01"


@pytest.mark.parametrize("codec", VideoCodec)
def test_real_pictures_are_read_and_their_key_frames_known(codec):
    units = [widened(u) if codec is VideoCodec.H264 else u for u in access_units(20, codec=codec, gop=10)]
    assert [read_picture(codec, unit).keyframe for unit in units] == ([True] + [False] * 9) * 2


def test_parameter_sets_alone_are_no_picture_and_no_key_frame():
    with pytest.raises(WireError):
        read_picture(VideoCodec.H264, join_annex_b([b"\x67s", b"\x68p"]))
    picture = read_picture(VideoCodec.H264, join_annex_b([b"\x67s", b"\x68p", b"\x41x"]))
    assert picture == (False, [b"\x67s", b"\x68p", b"\x41x"])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x41no start code",
        START_CODE,
        START_CODE + b"\x41x" + START_CODE + b"\xc1",
        START_CODE + b"\x41x" + START_CODE + b"\x6d",
        START_CODE + b"\x40x",
        START_CODE + b"\x7cx" + START_CODE + b"\x41x",
    ],
)
def test_what_is_no_h264_picture_is_refused(data):
    with pytest.raises(WireError):
        read_picture(VideoCodec.H264, data)


@pytest.mark.parametrize(
    ("first", "repeated", "most"), [(b"\x65", b"\x41", MOST_NALS - 1), (b"\x65", b"\x67", MOST_SETS)]
)
def test_a_picture_of_more_units_than_one_has_is_refused_before_each_is_looked_at(first, repeated, most):
    assert read_picture(VideoCodec.H264, join_annex_b([first] + [repeated] * most)).keyframe
    with pytest.raises(WireError, match="than a picture has"):
        read_picture(VideoCodec.H264, join_annex_b([first] + [repeated] * (most + 1)))


@pytest.mark.parametrize("data", [b"", KEY_VP8[:9], b"\x10\x02\x00\x9d\x01\x2b\x80\x02\xe0\x01"])
def test_what_is_no_vp8_picture_is_refused(data):
    with pytest.raises(WireError):
        read_picture(VideoCodec.VP8, data)
    assert read_picture(VideoCodec.VP8, KEY_VP8).keyframe


@given(st.binary(max_size=60).map(lambda data: START_CODE + data) | st.binary(max_size=30), st.sampled_from(VideoCodec))
def test_random_bytes_raise_nothing_but_wire_error(data, codec):
    with suppress(WireError):
        read_picture(codec, data)
