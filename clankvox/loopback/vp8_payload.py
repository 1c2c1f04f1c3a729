"""VP8 in RTP (RFC 7741), for our own members; written apart from the client's code."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from clankvox.errors import WireError

MAX_PAYLOAD_BYTES: Final = 1150
_PICTURE_IDS: Final = 1 << 15
_EXTENDED: Final = 0x80
_STARTS: Final = 0x10
_PARTITION: Final = 0x07
_HAS_PICTURE_ID: Final = 0x80
_HAS_TL0: Final = 0x40
_HAS_LAYER_OR_KEY_INDEX: Final = 0x30
_LONG: Final = 0x80


def is_key(frame: bytes) -> bool:
    """Whether a decoder can begin here (RFC 6386 section 9.1: the lowest bit of a key frame is 0)."""
    return bool(frame) and not frame[0] & 1


def packetise(frame: bytes, picture_id: int, max_bytes: int = MAX_PAYLOAD_BYTES) -> list[bytes]:
    """Return RTP payloads of like size, with a 15-bit picture id in each descriptor, as Discord's clients have it."""
    room = max_bytes - 4
    count = max(1, -(-len(frame) // room))
    bounds = [len(frame) * index // count for index in range(count + 1)]
    number = (_PICTURE_IDS | picture_id % _PICTURE_IDS).to_bytes(2, "big")
    return [
        bytes((_EXTENDED | (0 if begin else _STARTS), _HAS_PICTURE_ID)) + number + frame[begin:end]
        for begin, end in pairwise(bounds)
    ]


def depacketise(payloads: Iterable[bytes]) -> bytes:
    """Return the frame that `payloads` carry, in order; WireError if its beginning is missing."""
    parts: list[bytes] = []
    for payload in payloads:
        if not payload:
            continue
        starts, part = _without_descriptor(payload)
        if starts == bool(parts):
            raise WireError("a VP8 frame that does not begin where it should")
        parts.append(part)
    if not parts:
        raise WireError("no VP8 frame")
    return b"".join(parts)


def _without_descriptor(payload: bytes) -> tuple[bool, bytes]:
    """Return whether a frame starts here, and what follows the descriptor (section 4.2)."""
    first, position = payload[0], 1
    if first & _EXTENDED:
        flags = payload[1] if len(payload) > 1 else 0
        position = 2
        if flags & _HAS_PICTURE_ID:
            long = len(payload) > 2 and payload[2] & _LONG
            position += 2 if long else 1
        position += bool(flags & _HAS_TL0) + bool(flags & _HAS_LAYER_OR_KEY_INDEX)
    if position >= len(payload):
        raise WireError("a VP8 payload without content")
    return bool(first & _STARTS) and not first & _PARTITION, payload[position:]
