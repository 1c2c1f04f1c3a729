import av
import numpy as np
import pytest

from clankvox.errors import CodecError
from clankvox.loopback import h264_payload
from clankvox.loopback.clock_picture import ClockPicture, Stamp, read_clock
from clankvox.loopback.picture_decoder import luma_of
from clankvox.loopback.picture_encoder import PictureEncoder, VideoSettings

PATTERN = ClockPicture(320, 180)


def encoded(count=12, key_at=(), **settings):
    encoder = PictureEncoder(VideoSettings(width=320, height=180, **settings))
    return [encoder.encode(PATTERN.draw(Stamp(index, 7)), key=index in key_at) for index in range(count)]


def decoded(codec, pictures):
    context = av.CodecContext.create(codec, "r")
    context.thread_count = 1
    return [frame for picture in pictures for frame in context.decode(av.Packet(picture.data))]


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_each_picture_comes_at_once_and_shows_its_clock(codec):
    frames = decoded(codec.lower(), encoded(codec=codec))
    assert [read_clock(luma_of(frame)) for frame in frames] == [Stamp(index, 7) for index in range(12)]
    error = np.square(luma_of(frames[5]).astype(float) - PATTERN.draw(Stamp(5, 7))[:180]).mean()
    assert 10 * np.log10(255**2 / error) > 30


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_key_frames_come_when_asked_for_and_every_gop(codec):
    pictures = encoded(count=20, key_at=(4,), codec=codec, gop=10)
    keys = [index for index, picture in enumerate(pictures) if picture.key]
    assert keys[:2] == [0, 4]
    assert keys[2] == 14


def test_a_key_frame_of_h264_has_its_parameter_sets_and_the_number_of_slices_that_was_asked_for():
    first, second, *_ = encoded(slices=4)
    kinds = [h264_payload.nal_type(nal) for nal in h264_payload.split(first.data)]
    assert {7, 8} <= set(kinds)
    assert kinds.count(5) == 4
    assert [h264_payload.nal_type(nal) for nal in h264_payload.split(second.data)] == [1] * 4


def test_settings_that_no_encoder_takes_are_refused():
    with pytest.raises(CodecError):
        PictureEncoder(VideoSettings(width=1, height=1))
