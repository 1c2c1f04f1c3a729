"""One video decoder: access units in, pictures out, never larger than we are ready to hold."""

from typing import Final, cast

import av
import numpy as np
import numpy.typing as npt
from av.codec.context import Flags

from clankvox.errors import CodecError, WireError
from clankvox.wire import vp8
from clankvox.wire.h264 import NalType, nal_type, split_annex_b
from clankvox.wire.h264_sps import parse_sps
from clankvox.wire.video_codec import VideoCodec

MOST_PIXELS: Final = 36_864 * 16 * 16
"""Frame size of H.264 level 5.1 (table A-1): 4096 x 2304."""
LONGEST_SIDE: Final = 8_192

Luma = npt.NDArray[np.uint8]

_DECODER: Final = {VideoCodec.H264: "h264", VideoCodec.VP8: "vp8"}
_PLANAR_LUMA: Final = frozenset(
    {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "nv21", "gray"}
)
"""Formats whose first plane is luma of one byte a pixel."""


class PictureTooLarge(CodecError):
    """A stream declares pictures that would take more memory than any screen needs."""

    code = "picture_too_large"


class VideoDecoder:
    """Decodes one stream. Not thread-safe; FFmpeg runs without the GIL.

    One thread and no more: a frame-threaded decoder deadlocks when it is collected before it was flushed.
    """

    def __init__(self, codec: VideoCodec) -> None:
        self.codec = codec
        self._context = _opened(codec)
        self._sps: list[bytes] = []
        """Of the last key frame that had any."""

    def decode(self, data: bytes) -> av.VideoFrame | None:
        """Decode one access unit; None if it shows nothing.

        Raises CodecError for what the decoder refuses, and PictureTooLarge before it sees what it should not believe.
        A missing reference is no error here: see KeyframeGate.
        """
        sps = self._declared(data)
        if sps and sps != self._sps:
            if self._sps:  # FFmpeg would hold pictures back for ever, if any before had to be put in order
                self._context = _opened(self.codec)
            self._sps = sps
        try:
            frames = self._context.decode(av.Packet(data))
        except av.FFmpegError as error:
            raise CodecError("FFmpeg refused an access unit") from error
        if not frames:
            return None
        check_size(frames[-1].width, frames[-1].height)
        return frames[-1]

    def _declared(self, data: bytes) -> list[bytes]:
        """Check the size that an access unit declares; returns the SPS of an IDR picture."""
        try:
            if self.codec is VideoCodec.VP8:
                if vp8.is_key_frame(data):
                    check_size(*vp8.dimensions(data))
                return []
            nals = split_annex_b(data)
            sps = [nal for nal in nals if nal_type(nal) == NalType.SPS]
            for nal in sps:
                declared = parse_sps(nal)
                check_size(declared.coded_width, declared.coded_height)
        except WireError as error:
            raise CodecError("an access unit without a readable size") from error
        return sps if any(nal_type(nal) == NalType.IDR for nal in nals) else []


def _opened(codec: VideoCodec) -> av.VideoCodecContext:
    context = cast("av.VideoCodecContext", av.CodecContext.create(_DECODER[codec], "r"))
    context.thread_count = 1
    context.thread_type = "SLICE"
    context.flags |= Flags.low_delay
    context.options = {"max_pixels": str(MOST_PIXELS)}
    return context


def check_size(width: int, height: int) -> None:
    """Raise PictureTooLarge unless both sides and the area are within reason."""
    if not (0 < width <= LONGEST_SIDE and 0 < height <= LONGEST_SIDE and width * height <= MOST_PIXELS):
        raise PictureTooLarge(f"a picture of {width} x {height}")


def luma_of(frame: av.VideoFrame) -> Luma:
    """Return the luma of a picture, shape (height, width): where possible a view that lives as long as `frame`."""
    if frame.format.name not in _PLANAR_LUMA:
        return cast("Luma", frame.reformat(format="gray", threads=1).to_ndarray())
    plane = frame.planes[0]
    rows: Luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width]
