"""Real coded video for tests: moving pictures, encoded by x264 or libvpx."""

from fractions import Fraction
from functools import cache

import av
import numpy as np

from clankvox.wire.video_codec import VideoCodec

RATE = 30


def picture(index, width=320, height=192):
    """A luma gradient that moves, with a block that says which picture this is."""
    y, x = np.mgrid[0:height, 0:width]
    luma = ((x * 2 + y + index * 7) % 200 + 28).astype(np.uint8)
    luma[:16, : 16 * 8] = np.repeat(np.where(np.arange(8) & 1, 60, 180), 16).astype(np.uint8)
    for bit in range(8):
        luma[16:32, bit * 16 : bit * 16 + 16] = 220 if index >> bit & 1 else 30
    chroma = np.full((height // 2, width // 2), 128, np.uint8)
    return luma, (chroma + x[::2, ::2] * 40 // width).astype(np.uint8), chroma


def index_of(luma):
    """Read back which picture this is."""
    return sum(1 << bit for bit in range(8) if luma[18:30, bit * 16 + 2 : bit * 16 + 14].mean() > 125)


def av_frame(index, width=320, height=192, pixel_format="yuv420p", luma=None):
    frame = av.VideoFrame(width, height, "yuv420p")
    for number, (plane, values) in enumerate(zip(frame.planes, picture(index, width, height), strict=True)):
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        rows[: values.shape[0], : values.shape[1]] = values if luma is None else (128 if number else luma)
    frame.pts = index
    return frame if pixel_format == "yuv420p" else frame.reformat(format=pixel_format)


@cache
def access_units(
    count, codec=VideoCodec.H264, width=320, height=192, gop=30, slices=1, aud=0, profile="baseline", luma=None
):
    """`count` access units, H264 as x264 writes them (3- and 4-byte start codes); `luma` for plain pictures."""
    if codec is VideoCodec.VP8:
        context = av.CodecContext.create("libvpx", "w")
        context.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "keyint_min": str(gop)}
    else:
        context = av.CodecContext.create("libx264", "w")
        params = (
            f"keyint={gop}:min-keyint={gop}:scenecut=0:sliced-threads=0:threads=1:repeat-headers=1:slices={slices}"
            f":aud={aud}:bframes=0"
        )
        context.options = {
            "preset": "ultrafast" if profile == "baseline" else "fast",
            "tune": "zerolatency",
            "profile": profile,
            "x264-params": params,
        }
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.gop_size = gop
    context.bit_rate = 1_500_000
    context.time_base, context.framerate = Fraction(1, RATE), Fraction(RATE)
    units = []
    for index in range(count):
        units += [bytes(packet) for packet in context.encode(av_frame(index, width, height, luma=luma))]
    units += [bytes(packet) for packet in context.encode(None)]
    assert len(units) == count
    return tuple(units)


def decode_all(units, codec=VideoCodec.H264):
    """Luma planes by plain PyAV."""
    context = av.CodecContext.create(codec.value.lower(), "r")
    context.thread_count = 1
    frames = [frame for unit in units for frame in context.decode(av.Packet(unit))]
    frames += context.decode(None)
    return [frame.to_ndarray(format="gray") for frame in frames]


def rgb_of(index, width=320, height=192, red=0.299, blue=0.114):
    """What a picture looks like: limited range to RGB by the luma weights of its colour space."""
    luma, cb, cr = (plane.astype(float) for plane in picture(index, width, height))
    y = (luma - 16) * 255 / 219
    cb, cr = ((np.kron(each, np.ones((2, 2))) - 128) * 255 / 224 for each in (cb, cr))
    r, b = y + 2 * (1 - red) * cr, y + 2 * (1 - blue) * cb
    g = (y - red * r - blue * b) / (1 - red - blue)
    return np.clip(np.stack([r, g, b], axis=-1), 0, 255)


def psnr_db(a, b):
    return 10 * np.log10(255**2 / np.mean((np.asarray(a, float) - np.asarray(b, float)) ** 2))
