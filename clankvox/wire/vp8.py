"""VP8 frames as RTP payloads (RFC 7741 section 4.2), and what their first bytes tell (RFC 6386 section 9.1)."""

from typing import Final, NamedTuple

from clankvox.errors import WireError

KEY_HEADER_BYTES: Final = 10
"""Frame tag, start code and size; DAVE leaves them in clear."""

_EXTENDED: Final = 0x80
_START: Final = 0x10
_PARTITION: Final = 0x07
_HAS_PICTURE_ID: Final = 0x80
_HAS_TL0: Final = 0x40
_HAS_TID_OR_KEY: Final = 0x30
_LONG_ID: Final = 0x80
_DESCRIPTOR_BYTES: Final = 4
_START_CODE: Final = b"\x9d\x01\x2a"
_INTER_FRAME: Final = 0x01
_SIZE_MASK: Final = 0x3FFF


class Piece(NamedTuple):
    """What one RTP payload adds to its frame."""

    data: bytes
    begins: bool
    """Whether the frame begins here."""


def depacketise(payload: bytes) -> Piece:
    """Read one RTP payload that is not empty. WireError if it ends within its descriptor."""
    size = 1
    if payload[0] & _EXTENDED:
        flags = _byte(payload, size)
        size += 1
        if flags & _HAS_PICTURE_ID:
            size += 2 if _byte(payload, size) & _LONG_ID else 1
        size += bool(flags & _HAS_TL0) + bool(flags & _HAS_TID_OR_KEY)
    if size >= len(payload):
        raise WireError("VP8 payload without data")
    return Piece(payload[size:], begins=bool(payload[0] & _START) and not payload[0] & _PARTITION)


def packetise(frame: bytes, picture_id: int, max_payload: int) -> list[bytes]:
    """Return the RTP payloads of a frame, with the 15-bit `picture_id` (taken modulo 2**15).

    ValueError if `max_payload` does not hold the descriptor and a byte.
    """
    room = max_payload - _DESCRIPTOR_BYTES
    if room <= 0:
        raise ValueError("no room for a fragment")
    tail = bytes((_HAS_PICTURE_ID,)) + (0x8000 | picture_id & 0x7FFF).to_bytes(2, "big")
    return [
        bytes((_EXTENDED | _START * (start == 0),)) + tail + frame[start : start + room]
        for start in range(0, len(frame), room)
    ]


def is_key_frame(frame: bytes) -> bool:
    """Whether a frame that is not empty needs no other frame."""
    return not frame[0] & _INTER_FRAME


def dimensions(key_frame: bytes) -> tuple[int, int]:
    """Width and height in pixels. WireError if this is no key frame."""
    if len(key_frame) < KEY_HEADER_BYTES or key_frame[3:6] != _START_CODE:
        raise WireError("no VP8 key frame")
    width = int.from_bytes(key_frame[6:8], "little") & _SIZE_MASK
    return width, int.from_bytes(key_frame[8:10], "little") & _SIZE_MASK


def _byte(payload: bytes, offset: int) -> int:
    if offset >= len(payload):
        raise WireError("VP8 payload that ends within its descriptor")
    return payload[offset]
