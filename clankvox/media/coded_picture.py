"""What a decrypted frame holds, and whether it is what its codec says."""

from typing import Final, NamedTuple

from clankvox.errors import WireError
from clankvox.media.frame_assembler import MOST_NALS
from clankvox.wire import vp8
from clankvox.wire.h264 import START_CODE, NalType, nal_type, split_annex_b
from clankvox.wire.video_codec import VideoCodec

MOST_SETS: Final = 64
"""Parameter sets in one picture; encoders write two."""
_SHORT_CODE: Final = START_CODE[1:]
_SETS: Final = frozenset({NalType.SPS, NalType.PPS})
_FORBIDDEN_BIT: Final = 0x80
_PLAIN_TYPES: Final = range(1, 13)
_PICTURE_TYPES: Final = range(1, 6)


class CodedPicture(NamedTuple):
    """A valid access unit."""

    keyframe: bool
    """H264: it holds an IDR slice; parameter sets alone do not make one."""
    nals: list[bytes]
    """H264 only."""


def read_picture(codec: VideoCodec, data: bytes) -> CodedPicture:
    """Read a frame. WireError if it cannot be one: rubbish that happened to open, or came in clear."""
    return _read_h264(data) if codec is VideoCodec.H264 else _read_vp8(data)


def _read_h264(data: bytes) -> CodedPicture:
    if not data.startswith(START_CODE):
        raise WireError("H264 that begins without a start code")
    # Counted in a moment; to look at each of two million units, which fit in a frame, takes the UDP thread seconds.
    if data.count(_SHORT_CODE) > MOST_NALS:
        raise WireError("H264 with more units than a picture has")
    nals = split_annex_b(data)
    kinds = [nal_type(nal) for nal in nals]
    if sum(kind in _SETS for kind in kinds) > MOST_SETS:
        raise WireError("H264 with more parameter sets than a picture has")
    if not all(kind in _PLAIN_TYPES for kind in kinds) or any(nal[0] & _FORBIDDEN_BIT for nal in nals):
        raise WireError("H264 with a unit that no byte stream has")
    if not any(kind in _PICTURE_TYPES for kind in kinds):
        raise WireError("H264 without a slice")
    return CodedPicture(NalType.IDR in kinds, nals)


def _read_vp8(data: bytes) -> CodedPicture:
    if not data:
        raise WireError("an empty VP8 frame")
    keyframe = vp8.is_key_frame(data)
    if keyframe:
        vp8.dimensions(data)
    return CodedPicture(keyframe, [])
