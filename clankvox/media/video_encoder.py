"""H.264 as a call carries it: constrained baseline, one slice, no delay, an IDR whenever one is asked for.

x264 is held to one thread, because it cuts a picture into as many slices as it has threads and DAVE bounds how many it
can protect. No B-frames: with them official receivers would rewrite the SPS, which DAVE authenticates.
"""

import contextlib
from collections.abc import Iterable
from fractions import Fraction
from typing import Any, Final, NamedTuple

from av.codec.context import CodecContext
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from clankvox.errors import CodecError
from clankvox.media.video_target import VideoTarget
from clankvox.wire.h264 import NalType, join_annex_b, nal_type, split_annex_b
from clankvox.wire.rtp import VIDEO_CLOCK_HZ

_PRESET: Final = "superfast"
"""2.8 ms for a 720p picture on one thread; veryfast takes 4.1 ms, and ultrafast makes the bit rate leap."""
_DROPPED: Final = frozenset({NalType.AUD, NalType.FILLER})
"""Some packetisers drop these two silently, which breaks the DAVE frame: none is left when it is encrypted."""


class AccessUnit(NamedTuple):
    """One encoded picture as Annex B with start codes of 4 bytes; an IDR has its SPS and PPS before it."""

    data: bytes
    keyframe: bool


class VideoEncoder:
    """One libx264 context. Not thread-safe; encoding releases the GIL."""

    def __init__(self, target: VideoTarget) -> None:
        """Open for `target`. CodecError if libx264 refuses, InvalidRequest if H.264 has no level for it."""
        self.target = target.checked()
        self._last_pts = -1
        self._context = _opened(target)

    def encode(self, picture: VideoFrame, instant_s: float, *, idr: bool) -> AccessUnit:
        """Encode `picture`, which is yuv420p of the target's size, due at `instant_s` of any clock that only grows.

        Sets the picture's pts and type. Raises CodecError if libx264 refuses; the next picture may work.
        """
        if (picture.width, picture.height, picture.format.name) != (self.target.width, self.target.height, "yuv420p"):
            raise CodecError("picture is not of the size that the encoder was opened for")
        self._last_pts = max(self._last_pts + 1, round(instant_s * VIDEO_CLOCK_HZ))
        picture.pts = self._last_pts
        picture.time_base = Fraction(1, VIDEO_CLOCK_HZ)
        picture.pict_type = PictureType.I if idr else PictureType.NONE
        try:
            packets = self._context.encode(picture)
        except (FFmpegError, ValueError) as error:
            raise CodecError("libx264 refuses the picture") from error
        if not packets:
            raise CodecError("libx264 kept the picture back")
        return _access_unit(packets)

    def close(self) -> None:
        """Drain the context, so that freeing it cannot wait for a thread of its own. Idempotent."""
        with contextlib.suppress(FFmpegError, ValueError):
            self._context.encode(None)


def _access_unit(packets: Iterable["Packet[Any]"]) -> AccessUnit:
    nals = [nal for packet in packets for nal in split_annex_b(bytes(packet)) if nal_type(nal) not in _DROPPED]
    return AccessUnit(join_annex_b(nals), any(nal_type(nal) == NalType.IDR for nal in nals))


def _opened(target: VideoTarget) -> VideoCodecContext:
    context = CodecContext.create("libx264", "w")
    assert isinstance(context, VideoCodecContext)  # noqa: S101 - what PyAV makes of a video codec
    context.width, context.height, context.pix_fmt = target.width, target.height, "yuv420p"
    context.time_base = Fraction(1, VIDEO_CLOCK_HZ)
    context.framerate = Fraction(target.fps)
    context.bit_rate = target.bitrate_bps
    context.options = {
        "preset": _PRESET,
        "tune": "zerolatency",
        "profile": "baseline",
        "level": target.level,
        "bf": "0",
        "a53cc": "0",
        "maxrate": str(target.bitrate_bps),
        "bufsize": str(target.bitrate_bps),
        "x264-params": (
            f"keyint={target.gop_pictures}:min-keyint=1:scenecut=0:threads=1:sliced-threads=0:slices=1"
            ":repeat-headers=1:aud=0:filler=0:colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv"
        ),
    }
    try:
        context.open()
    except (FFmpegError, ValueError) as error:
        raise CodecError("libx264 cannot be opened for this target") from error
    return context
