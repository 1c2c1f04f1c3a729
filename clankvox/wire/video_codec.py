"""Video codecs, and what the RTP payload types stand for that op 1 declares."""

from enum import StrEnum
from typing import Final, NamedTuple

from clankvox.wire.rtp import H264_PAYLOAD_TYPE, VP8_PAYLOAD_TYPE


class VideoCodec(StrEnum):
    """Codecs that are known here, by their names on the wire and towards the parent."""

    H264 = "H264"
    VP8 = "VP8"


class VideoPayload(NamedTuple):
    """What an RTP payload type stands for."""

    codec: VideoCodec
    repair: bool
    """Whether it is the codec's retransmission format (RFC 4588)."""


_MEDIA: Final = {VideoCodec.H264: H264_PAYLOAD_TYPE, VideoCodec.VP8: VP8_PAYLOAD_TYPE}

VIDEO_PAYLOADS: Final = {
    number + repair: VideoPayload(codec, bool(repair)) for codec, number in _MEDIA.items() for repair in (0, 1)
}
"""By payload type; the type of a codec's retransmissions is the next one."""
