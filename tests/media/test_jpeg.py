"""Pixel truth: what a viewer of the JPEG sees is what was in front of the encoder."""

import av
import pytest
import simplejpeg

from clankvox.media.jpeg import JpegEncoder
from clankvox.media.video_decoder import VideoDecoder
from clankvox.wire.video_codec import VideoCodec
from tests.support.coded_video import access_units, av_frame, psnr_db, rgb_of

RANGE_JPEG, ITU709 = 2, 1


def decoded(jpeg):
    return simplejpeg.decode_jpeg(jpeg, "RGB")


def test_limited_range_becomes_full_range_when_nothing_is_said():
    shown = decoded(JpegEncoder().encode(av_frame(3), 95))
    assert psnr_db(shown, rgb_of(3)) > 36


def test_a_decoded_picture_looks_like_its_source():
    decoder, encoder = VideoDecoder(VideoCodec.H264), JpegEncoder()
    for index, unit in enumerate(access_units(5, width=640, height=360)):
        shown = decoded(encoder.encode(decoder.decode(unit), 75))
        assert psnr_db(shown, rgb_of(index, 640, 360)) > 30


@pytest.mark.parametrize("pixel_format", ["yuvj420p", "yuv420p"])
def test_full_range_stays_full_range(pixel_format):
    full = av_frame(3).reformat(format="yuvj420p", src_color_range="MPEG", dst_color_range="JPEG")
    full = av.VideoFrame.from_ndarray(full.to_ndarray(), format=pixel_format)
    full.color_range = RANGE_JPEG
    assert psnr_db(decoded(JpegEncoder().encode(full, 95)), rgb_of(3)) > 34


def test_the_colour_space_that_a_stream_names_is_used():
    frame = av_frame(3)
    frame.colorspace = ITU709
    shown = decoded(JpegEncoder().encode(frame, 95))
    assert psnr_db(shown, rgb_of(3, red=0.2126, blue=0.0722)) > 36


@pytest.mark.parametrize(("width", "height"), [(320, 192), (322, 190), (33, 17)])
def test_chroma_is_halved_and_any_size_works(width, height):
    jpeg = JpegEncoder().encode(av_frame(1).reformat(width=width, height=height), 75)
    assert simplejpeg.decode_jpeg_header(jpeg) == (height, width, "YCbCr", "420")


def test_quality_costs_bytes_and_one_encoder_takes_sizes_as_they_come():
    encoder = JpegEncoder()
    sizes = [len(encoder.encode(av_frame(1, width, 192), quality)) for width in (320, 640) for quality in (10, 60, 100)]
    assert sizes[0] < sizes[1] < sizes[2]
    assert sizes[3] < sizes[4] < sizes[5]


def test_a_picture_of_another_format_is_shown_too():
    frame = av.VideoFrame.from_ndarray(rgb_of(2).astype("uint8"), format="rgb24")
    assert psnr_db(decoded(JpegEncoder().encode(frame, 95)), rgb_of(2)) > 34
