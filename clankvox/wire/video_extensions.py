"""The one-byte header extensions of video packets that Discord's own clients send on UDP (RFC 8285 section 4.2).

The ids are not negotiated on UDP: they are fixed, and differ from those in Discord's WebRTC descriptions.
"""

from enum import IntEnum
from typing import Final

from clankvox.wire.rtp import build_extensions

SCREEN_CONTENT: Final = b"\x01"
_SEND_TIME_BITS: Final = 18
_SEND_TIME_MASK: Final = 0xFF_FFFF
_ANY_PLAYOUT_DELAY: Final = bytes(3)


class VideoExtension(IntEnum):
    """Extension ids."""

    ABS_SEND_TIME = 3
    TRANSPORT_SEQUENCE = 5
    PLAYOUT_DELAY = 6
    CONTENT_TYPE = 7
    RID = 11
    REPAIRED_RID = 12


def abs_send_time(now: float) -> bytes:
    """Seconds of any steady clock as 24 bits of 6.18 fixed point."""
    return (int(now * (1 << _SEND_TIME_BITS)) & _SEND_TIME_MASK).to_bytes(3, "big")


def build_video_extensions(now: float, transport_sequence: int, rid: str = "100", *, repair: bool = False) -> bytes:
    """Return the extension body of a screen-share packet that is sent at `now`: 20 bytes with the usual `rid`.

    `transport_sequence` (taken modulo 2**16) counts all packets with this extension; `repair` is for RTX packets.
    """
    return build_extensions(
        {
            VideoExtension.ABS_SEND_TIME: abs_send_time(now),
            VideoExtension.TRANSPORT_SEQUENCE: (transport_sequence & 0xFFFF).to_bytes(2, "big"),
            VideoExtension.PLAYOUT_DELAY: _ANY_PLAYOUT_DELAY,
            VideoExtension.CONTENT_TYPE: SCREEN_CONTENT,
            VideoExtension.REPAIRED_RID if repair else VideoExtension.RID: rid.encode(),
        }
    )
