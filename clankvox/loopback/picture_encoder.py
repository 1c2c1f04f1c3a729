"""Encodes the pictures of a member of our own, as a real-time sender does: no delay, key frames when asked for."""

from fractions import Fraction
from typing import Final, NamedTuple

import av
import msgspec

from clankvox.errors import CodecError
from clankvox.loopback import h264_payload, vp8_payload
from clankvox.loopback.clock_picture import Planes
from clankvox.loopback.member_engine import VideoCodec

_PIXEL_FORMAT: Final = "yuv420p"
_LIBRARIES: Final = {"H264": "libx264", "VP8": "libvpx"}
_BITS_A_PIXEL: Final = 0.1


class VideoSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a member's video is made. `gop` is the greatest distance of key frames in pictures, `slices` are of H264."""

    codec: VideoCodec = "H264"
    width: int = 640
    height: int = 360
    fps: float = 30.0
    gop: int = 60
    slices: int = 1
    bit_rate: int | None = None
    """bit/s; a tenth of a bit a pixel if None."""

    @property
    def bits_a_second(self) -> int:
        """The bit rate that is aimed at."""
        return self.bit_rate or round(self.width * self.height * self.fps * _BITS_A_PIXEL)


class EncodedPicture(NamedTuple):
    """One picture: H264 in Annex B, or a VP8 frame."""

    data: bytes
    key: bool


class PictureEncoder:
    """Not thread-safe: one thread encodes."""

    def __init__(self, settings: VideoSettings) -> None:
        """Open the encoder; CodecError if it refuses the settings."""
        self._is_key = h264_payload.is_key if settings.codec == "H264" else vp8_payload.is_key
        self._count = 0
        context = av.CodecContext.create(_LIBRARIES[settings.codec], "w")
        if not isinstance(context, av.VideoCodecContext):
            raise CodecError("no encoder of pictures")
        self._context = context
        context.width, context.height, context.pix_fmt = settings.width, settings.height, _PIXEL_FORMAT
        context.framerate = Fraction(settings.fps).limit_denominator(1001)
        context.time_base = 1 / context.framerate
        context.bit_rate = settings.bits_a_second
        context.gop_size = settings.gop
        context.thread_count = 1
        context.options = _x264_options(settings) if settings.codec == "H264" else _VPX_OPTIONS
        try:
            context.open()
        except (av.error.FFmpegError, ValueError) as error:
            raise CodecError("the encoder refuses these settings") from error

    def encode(self, picture: Planes, *, key: bool) -> EncodedPicture:
        """Encode one picture, as a key frame if `key`."""
        frame = av.VideoFrame.from_ndarray(picture, format=_PIXEL_FORMAT)
        frame.pts = self._count
        frame.pict_type = av.video.frame.PictureType.I if key or not self._count else av.video.frame.PictureType.NONE
        self._count += 1
        data = b"".join(bytes(packet) for packet in self._context.encode(frame))
        return EncodedPicture(data, self._is_key(data))


_VPX_OPTIONS: Final = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "auto-alt-ref": "0"}


def _x264_options(settings: VideoSettings) -> dict[str, str]:
    parameters = {
        "keyint": settings.gop,
        "min-keyint": settings.gop,
        "scenecut": 0,
        "sliced-threads": 0,
        "slices": settings.slices,
        "repeat-headers": 1,
        "bframes": 0,
        "vbv-maxrate": settings.bits_a_second // 1000,
        "vbv-bufsize": settings.bits_a_second // 1000,
    }
    joined = ":".join(f"{name}={value}" for name, value in parameters.items())
    return {"preset": "superfast", "tune": "zerolatency", "profile": "baseline", "x264-params": joined}
