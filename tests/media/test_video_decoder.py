from fractions import Fraction

import av
import numpy as np
import pytest

from clankvox.errors import CodecError
from clankvox.media.video_decoder import LONGEST_SIDE, PictureTooLarge, VideoDecoder, check_size, luma_of
from clankvox.wire.h264 import NalType, join_annex_b, nal_type, split_annex_b
from clankvox.wire.video_codec import VideoCodec
from tests.support.coded_video import access_units, av_frame, index_of, picture, psnr_db
from tests.wire.test_h264_sps import baseline_sps


@pytest.mark.parametrize("codec", VideoCodec)
def test_every_access_unit_gives_its_picture_at_once(codec):
    decoder = VideoDecoder(codec)
    for index, unit in enumerate(access_units(40, codec=codec)):
        luma = luma_of(decoder.decode(unit))
        assert index_of(luma) == index
        assert psnr_db(luma, picture(index)[0]) > 28


def test_the_size_may_change_in_mid_stream():
    decoder = VideoDecoder(VideoCodec.H264)
    sizes = [(320, 192), (640, 362), (1280, 720), (176, 144)]
    for width, height in sizes:
        for unit in access_units(3, width=width, height=height):
            frame = decoder.decode(unit)
        assert (frame.width, frame.height) == (width, height)
        assert luma_of(frame).shape == (height, width)


def test_behind_pictures_that_had_to_be_put_in_order_each_comes_at_once_again():
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 320, 192, "yuv420p", Fraction(1, 30)
    encoder.options = {"preset": "ultrafast", "x264-params": "bframes=2:b-adapt=0:keyint=60"}
    frames = [*(av_frame(index, 320, 192) for index in range(20)), None]
    decoder = VideoDecoder(VideoCodec.H264)
    for unit in [bytes(packet) for frame in frames for packet in encoder.encode(frame)]:
        decoder.decode(unit)
    assert [index_of(luma_of(decoder.decode(unit))) for unit in access_units(10)] == list(range(10))


def with_sps(unit, sps):
    return join_annex_b([sps if nal_type(nal) == NalType.SPS else nal for nal in split_annex_b(unit)])


def test_a_monstrous_declared_size_is_refused_before_decoding_and_the_next_picture_decodes(monkeypatch):
    decoder = VideoDecoder(VideoCodec.H264)
    key = access_units(1)[0]
    fed = []
    monkeypatch.setattr("av.Packet", lambda data: fed.append(data) or pytest.fail("decoded"))
    for side in (LONGEST_SIDE + 16, 16_384):
        with pytest.raises(PictureTooLarge):
            decoder.decode(with_sps(key, baseline_sps(side, 16 if side < 16_384 else side)))
    monkeypatch.undo()
    assert fed == []
    assert decoder.decode(key) is not None


def test_the_library_itself_is_bounded_too(monkeypatch):
    monkeypatch.setattr("clankvox.media.video_decoder.MOST_PIXELS", 320 * 192 - 1)
    monkeypatch.setattr("clankvox.media.video_decoder.check_size", lambda *_: None)
    with pytest.raises(CodecError):
        VideoDecoder(VideoCodec.H264).decode(access_units(1)[0])


def test_a_monstrous_vp8_size_is_refused():
    decoder = VideoDecoder(VideoCodec.VP8)
    key = access_units(1, codec=VideoCodec.VP8)[0]
    with pytest.raises(PictureTooLarge):
        decoder.decode(key[:6] + b"\xff\x3f\xff\x3f" + key[10:])
    with pytest.raises(CodecError):
        decoder.decode(b"\x10rubbish")
    assert decoder.decode(key) is not None


def test_rubbish_is_an_error_and_the_next_key_frame_helps():
    decoder = VideoDecoder(VideoCodec.H264)
    units = access_units(2)
    for rubbish in (b"\0\0\0\1\x65" + b"rubbish" * 30, b"\0\0\0\1\x67\x42", b"no code"):
        with pytest.raises(CodecError):
            decoder.decode(rubbish)
    assert [index_of(luma_of(decoder.decode(unit))) for unit in units] == [0, 1]


@pytest.mark.parametrize(
    ("width", "height", "fits"),
    [
        (4_096, 2_304, True),
        (8_192, 1_152, True),
        (8_193, 16, False),
        (16, 8_193, False),
        (4_096, 2_320, False),
        (0, 9, False),
    ],
)
def test_sides_and_area_are_bounded(width, height, fits):
    if fits:
        check_size(width, height)
    else:
        with pytest.raises(PictureTooLarge):
            check_size(width, height)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "nv12", "yuv444p", "rgb24"])
def test_luma_is_read_from_any_format(pixel_format):
    luma = luma_of(av_frame(5, 322, 192, pixel_format))
    assert luma.shape == (192, 322)
    assert luma.dtype == np.uint8
    assert index_of(luma) == 5
