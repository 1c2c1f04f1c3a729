"""What x264 makes is what a call can carry: measured on the bit stream and by a plain decoder."""

import av
import numpy as np
import pytest

from clankvox.errors import CodecError, InvalidRequest
from clankvox.media.video_encoder import VideoEncoder
from clankvox.media.video_target import HD_720, VideoTarget
from clankvox.wire.h264 import START_CODE, NalType, nal_type, split_annex_b
from tests.support.coded_video import av_frame
from tests.support.published import decoded, luma, psnr

SMALL = VideoTarget(320, 192, 30, 1_000_000, 60)


def types(unit):
    return [nal_type(nal) for nal in split_annex_b(unit.data)]


def encode(encoder, count, idrs=()):
    return [encoder.encode(av_frame(index), 5.0 + index / 30, idr=index in idrs) for index in range(count)]


def test_each_picture_comes_out_at_once_as_one_slice():
    units = encode(VideoEncoder(SMALL), 20)
    assert [sum(kind in (NalType.SLICE, NalType.IDR) for kind in types(unit)) for unit in units] == [1] * 20
    assert all(unit.data.startswith(START_CODE) for unit in units)


def test_an_idr_comes_when_it_is_asked_for_and_brings_its_headers():
    units = encode(VideoEncoder(SMALL), 20, idrs=(7, 8, 15))
    assert [index for index, unit in enumerate(units) if unit.keyframe] == [0, 7, 8, 15]
    assert types(units[8]) == [NalType.SPS, NalType.PPS, NalType.IDR]
    for start in (7, 8, 15):
        assert len(decoded([unit.data for unit in units[start:]])) == 20 - start, "decodes from any IDR on"


def test_the_gop_ends_where_it_is_said_to():
    units = encode(VideoEncoder(SMALL._replace(gop_pictures=5)), 16)
    assert [index for index, unit in enumerate(units) if unit.keyframe] == [0, 5, 10, 15]


def test_neither_delimiters_nor_filler_are_left():
    encoder = VideoEncoder(SMALL)
    black = av.VideoFrame(320, 192, "yuv420p")
    for plane in black.planes:
        plane.update(bytes(plane.buffer_size))
    kinds = {kind for index in range(30) for kind in types(encoder.encode(black, index / 30, idr=False))}
    assert not kinds & {NalType.AUD, NalType.FILLER}


@pytest.mark.parametrize("target", [HD_720, HD_720._replace(width=1920, height=1080, bitrate_bps=5_000_000)])
def test_pictures_come_back_as_they_went_in(target):
    encoder = VideoEncoder(target)
    sources = [av_frame(index, target.width, target.height) for index in range(6)]
    units = [encoder.encode(frame, index / 30, idr=False) for index, frame in enumerate(sources)]
    pictures = decoded([unit.data for unit in units])
    assert min(psnr(luma(one), luma(other)) for one, other in zip(sources, pictures, strict=True)) >= 30.0


def test_the_stream_is_constrained_baseline_of_the_targets_level_in_bt709():
    context = av.CodecContext.create("h264", "r")
    context.thread_count = 1
    (unit,) = encode(VideoEncoder(HD_720._replace(width=320, height=192)), 1)
    (frame,) = context.decode(av.Packet(unit.data))
    sps = next(nal for nal in split_annex_b(unit.data) if nal_type(nal) == NalType.SPS)
    assert (sps[1], sps[2] & 0x40, sps[3]) == (66, 0x40, 31)
    assert (int(frame.colorspace), int(frame.color_range)) == (1, 1)
    assert not context.has_b_frames


def test_the_bit_rate_is_kept_with_noise():
    noise = np.random.default_rng(3)
    encoder = VideoEncoder(SMALL._replace(bitrate_bps=500_000))
    sizes = []
    for index in range(90):
        frame = av.VideoFrame.from_ndarray(noise.integers(0, 255, (288, 320), np.uint8), format="yuv420p")
        sizes.append(len(encoder.encode(frame, index / 30, idr=False).data))
    assert sum(sizes[30:]) * 8 / 2.0 < 1.3 * 500_000


def test_instants_that_do_not_grow_are_still_encoded():
    encoder = VideoEncoder(SMALL)
    assert all(encoder.encode(av_frame(index), 7.0, idr=False).data for index in range(3))


def test_a_picture_of_another_size_or_format_is_refused_instead_of_stretched():
    encoder = VideoEncoder(SMALL)
    for frame in (av_frame(0, 640, 384), av_frame(0, pixel_format="rgb24")):
        with pytest.raises(CodecError):
            encoder.encode(frame, 0.0, idr=False)
    assert encoder.encode(av_frame(0), 0.0, idr=False).keyframe


def test_an_impossible_target_is_an_invalid_request():
    with pytest.raises(InvalidRequest):
        VideoEncoder(SMALL._replace(width=321))


def test_closing_twice_is_harmless():
    encoder = VideoEncoder(SMALL)
    encode(encoder, 2)
    encoder.close()
    encoder.close()
