"""Recognise a DAVE media frame by its trailer (DAVE protocol, "Payload Format").

| interleaved frame | tag 8 | nonce ULEB128 | (offset, size) ULEB128 pairs | trailer size u8 | FA FA |
"""

from typing import Final

_MARKER: Final = b"\xfa\xfa"
_TAG_BYTES: Final = 8
_MIN_TRAILER_BYTES: Final = 11
"""Tag 8, size 1, marker 2: what a parser accepts at least."""
_MAX_U32: Final = 0xFFFF_FFFF
_SHORT_NUMBER_BYTES: Final = 4


def is_dave_frame(frame: bytes) -> bool:
    """Tell whether `frame` is structurally an end-to-end-encrypted frame; says nothing of its authenticity."""
    if len(frame) < _MIN_TRAILER_BYTES or not frame.endswith(_MARKER):
        return False
    trailer_bytes = frame[-3]
    if not _MIN_TRAILER_BYTES <= trailer_bytes <= len(frame):
        return False
    body_bytes = len(frame) - trailer_bytes
    supplement = frame[body_bytes + _TAG_BYTES : -3]
    if _is_short_number(supplement):
        return True  # a nonce and no clear ranges: every Opus frame
    numbers = _read_uleb128s(supplement)
    if not numbers or len(numbers) % 2 == 0 or numbers[0] > _MAX_U32:
        return False
    return _ranges_ordered(numbers[1:], body_bytes)


def _is_short_number(data: bytes) -> bool:
    """Whether `data` is one ULEB128 number below 2**28, which is more frames than a sender makes in an epoch."""
    size = len(data)
    if not 0 < size <= _SHORT_NUMBER_BYTES or data[-1] >= 0x80:
        return False
    return size == 1 or min(data[:-1]) >= 0x80


def _read_uleb128s(data: bytes) -> list[int] | None:
    """Decode `data` as consecutive ULEB128 numbers; None unless it ends with the last one."""
    numbers: list[int] = []
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value = shift = 0
    return None if shift else numbers


def _ranges_ordered(flat: list[int], body_bytes: int) -> bool:
    end = 0
    for offset, size in zip(flat[::2], flat[1::2], strict=True):
        if offset < end or offset + size > body_bytes:
            return False
        end = offset + size
    return True
