"""H.264 access units as byte streams (ITU-T H.264 annex B) and as RTP payloads (RFC 6184, mode 1).

Byte streams that leave here have 4-byte start codes, because DAVE authenticates start codes in that form.
"""

from enum import IntEnum
from typing import Final, NamedTuple

from clankvox.errors import WireError

START_CODE: Final = b"\x00\x00\x00\x01"

_SHORT_CODE: Final = START_CODE[1:]
_TYPE_MASK: Final = 0x1F
_FORBIDDEN_BIT: Final = 0x80
_HEADER_BITS: Final = 0xE0
_FU_START: Final = 0x80
_FU_END: Final = 0x40
_FU_HEADER_BYTES: Final = 2
_LENGTH_BYTES: Final = 2
_LAST_SINGLE: Final = 23


class NalType(IntEnum):
    """NAL unit types that matter here (ITU-T H.264 table 7-1, RFC 6184 table 1)."""

    SLICE = 1
    IDR = 5
    SEI = 6
    SPS = 7
    PPS = 8
    AUD = 9
    FILLER = 12
    STAP_A = 24
    FU_A = 28


class Piece(NamedTuple):
    """What one RTP payload adds to the byte stream of its access unit."""

    data: bytes
    """With a start code before every NAL unit that begins here."""
    begins: int
    """NAL units that begin here; 0 for the continuation of a fragmented one."""
    ends: bool
    """Whether the last NAL unit is complete with this payload."""
    first_type: int
    """Type of the first NAL unit in it."""


def nal_type(nal: bytes) -> int:
    """Type of a NAL unit that is not empty."""
    return nal[0] & _TYPE_MASK


def split_annex_b(stream: bytes) -> list[bytes]:
    """Return the NAL units of a byte stream, without start codes; what precedes the first one is ignored.

    At most one zero counts as part of the next start code, so that ciphertext which ends in zeros stays whole.
    Empty NAL units are left out.
    """
    nals = []
    code = stream.find(_SHORT_CODE)
    while code >= 0:
        begin = code + len(_SHORT_CODE)
        code = stream.find(_SHORT_CODE, begin)
        end = len(stream) if code < 0 else code
        if code > begin and not stream[code - 1]:
            end -= 1
        if end > begin:
            nals.append(stream[begin:end])
    return nals


def join_annex_b(nals: list[bytes]) -> bytes:
    """Return the byte stream of `nals`."""
    return b"".join(part for nal in nals for part in (START_CODE, nal))


def packetise(nals: list[bytes], max_payload: int) -> list[bytes]:
    """Return the RTP payloads of an access unit: single NAL units, and FU-A for those over `max_payload` bytes.

    The packet of the last payload carries the marker. ValueError if a fragment would not hold its header and a byte.
    """
    if max_payload <= _FU_HEADER_BYTES:
        raise ValueError("no room for a fragment")
    payloads: list[bytes] = []
    for nal in nals:
        payloads.extend([nal] if len(nal) <= max_payload else _fragments(nal, max_payload))
    return payloads


def depacketise(payload: bytes) -> Piece:
    """Read one RTP payload that is not empty. WireError for what mode 1 does not have, or what cannot be."""
    kind = payload[0] & _TYPE_MASK
    if payload[0] & _FORBIDDEN_BIT:
        raise WireError("NAL unit with its forbidden bit set")
    if 1 <= kind <= _LAST_SINGLE:
        return Piece(START_CODE + payload, 1, ends=True, first_type=kind)
    if kind == NalType.FU_A:
        return _fragment(payload)
    if kind == NalType.STAP_A:
        nals = _aggregated(payload)
        return Piece(join_annex_b(nals), len(nals), ends=True, first_type=nal_type(nals[0]))
    raise WireError("a packet type of another packetisation mode")


def _fragments(nal: bytes, max_payload: int) -> list[bytes]:
    """Split evenly: nearly equal packets spread better over a frame's time than full ones and a small rest."""
    indicator, kind, size = nal[0] & _HEADER_BITS | NalType.FU_A, nal[0] & _TYPE_MASK, len(nal) - 1
    count = -(-size // (max_payload - _FU_HEADER_BYTES))
    step = -(-size // count)
    fragments = []
    for start in range(1, len(nal), step):
        flags = _FU_START * (start == 1) | _FU_END * (start + step >= len(nal))
        fragments.append(bytes((indicator, flags | kind)) + nal[start : start + step])
    return fragments


def _fragment(payload: bytes) -> Piece:
    if len(payload) < _FU_HEADER_BYTES:
        raise WireError("FU-A without its header")
    flags = payload[1]
    starts, ends, kind = bool(flags & _FU_START), bool(flags & _FU_END), flags & _TYPE_MASK
    if (starts and ends) or not 1 <= kind <= _LAST_SINGLE:
        raise WireError("FU-A that is whole, or of no NAL unit")
    data = payload[_FU_HEADER_BYTES:]
    if starts:
        data = START_CODE + bytes((payload[0] & _HEADER_BITS | kind,)) + data
    return Piece(data, int(starts), ends, kind)


def _aggregated(payload: bytes) -> list[bytes]:
    nals = []
    offset = 1
    while offset < len(payload):
        size = int.from_bytes(payload[offset : offset + _LENGTH_BYTES], "big")
        offset += _LENGTH_BYTES
        nal = payload[offset : offset + size]
        if not size or len(nal) < size or nal[0] & _FORBIDDEN_BIT or not 1 <= nal_type(nal) <= _LAST_SINGLE:
            raise WireError("STAP-A that does not add up")
        nals.append(nal)
        offset += size
    if not nals:
        raise WireError("STAP-A without a NAL unit")
    return nals
