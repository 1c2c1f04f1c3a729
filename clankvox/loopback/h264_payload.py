"""H264 in RTP (RFC 6184, packetization mode 1), for our own members.

Written from the RFC, apart from the client's code, so that a misunderstanding shows on one side.
"""

from collections.abc import Iterable
from typing import Final

from clankvox.errors import WireError

MAX_PAYLOAD_BYTES: Final = 1150
START_CODE: Final = b"\0\0\0\1"
_SHORT_CODE: Final = b"\0\0\1"
_STAP_A: Final = 24
_FU_A: Final = 28
_START: Final = 0x80
_END: Final = 0x40
IDR_SLICE: Final = 5


def nal_type(nal: bytes) -> int:
    """Return the type of a NAL unit (ITU-T H.264 table 7-1)."""
    return nal[0] & 0x1F


def split(access_unit: bytes) -> list[bytes]:
    """Return the NAL units of an Annex B access unit.

    One zero at most belongs to a start code: an encrypted slice may end in zeros, and they are authenticated.
    """
    nals = []
    begin = -1
    found = access_unit.find(_SHORT_CODE)
    while found >= 0:
        if begin >= 0:
            end = found - 1 if access_unit[found - 1] == 0 and found > begin else found
            nals.append(access_unit[begin:end])
        begin = found + len(_SHORT_CODE)
        found = access_unit.find(_SHORT_CODE, begin)
    if begin >= 0:
        nals.append(access_unit[begin:])
    return [nal for nal in nals if nal]


def join(nals: Iterable[bytes]) -> bytes:
    """Return an Annex B access unit; DAVE authenticates its 4-byte start codes."""
    return b"".join(START_CODE + nal for nal in nals)


def is_key(access_unit: bytes) -> bool:
    """Whether a decoder can begin here: there is an IDR slice."""
    return any(nal_type(nal) == IDR_SLICE for nal in split(access_unit))


def packetise(access_unit: bytes, max_bytes: int = MAX_PAYLOAD_BYTES) -> list[bytes]:
    """Return RTP payloads: NAL units that fit as they are, others in fragments of like size (section 5.8)."""
    payloads = []
    for nal in split(access_unit):
        if len(nal) <= max_bytes:
            payloads.append(nal)
        else:
            payloads += _fragments(nal, max_bytes - 2)
    return payloads


def aggregate(nals: Iterable[bytes]) -> bytes:
    """Return one STAP-A payload (section 5.7.1); its header has the highest NRI of `nals`."""
    nals = list(nals)
    importance = max(nal[0] & 0x60 for nal in nals)
    return bytes((importance | _STAP_A,)) + b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)


def depacketise(payloads: Iterable[bytes]) -> bytes:
    """Return the access unit that `payloads` carry, in order; WireError if any part is missing or of another mode."""
    nals: list[bytes] = []
    fragments: list[bytes] = []
    for payload in payloads:
        if not payload:
            continue
        kind = nal_type(payload)
        if fragments and kind != _FU_A:
            raise WireError("a fragmented NAL unit without its end")
        if kind == _FU_A:
            fragments = _take_fragment(payload, fragments)
            if payload[1] & _END:
                nals.append(b"".join(fragments))
                fragments = []
        elif kind == _STAP_A:
            nals += _disaggregate(payload)
        elif 1 <= kind < _STAP_A:
            nals.append(payload)
        else:
            raise WireError("a packet type of another packetization mode")
    if fragments or not nals:
        raise WireError("no whole access unit")
    return join(nals)


def _fragments(nal: bytes, room: int) -> list[bytes]:
    """Split the body of `nal` into FU-A fragments of even size; there are two at least (section 5.8)."""
    body = nal[1:]
    count = max(2, -(-len(body) // room))
    bounds = [len(body) * index // count for index in range(count + 1)]
    indicator = nal[0] & 0xE0 | _FU_A
    flags = [_START, *[0] * (count - 2), _END]
    return [
        bytes((indicator, flag | nal_type(nal))) + body[begin:end]
        for flag, begin, end in zip(flags, bounds, bounds[1:], strict=False)
    ]


def _take_fragment(payload: bytes, before: list[bytes]) -> list[bytes]:
    if len(payload) < 3:
        raise WireError("an empty fragment")
    if payload[1] & _START:
        if before or payload[1] & _END:
            raise WireError("a fragmented NAL unit that begins twice, or ends where it begins")
        return [bytes((payload[0] & 0xE0 | payload[1] & 0x1F,)), payload[2:]]
    if not before:
        raise WireError("a fragmented NAL unit without its start")
    before.append(payload[2:])
    return before


def _disaggregate(payload: bytes) -> list[bytes]:
    nals = []
    position = 1
    while position < len(payload):
        size = int.from_bytes(payload[position : position + 2], "big")
        nal = payload[position + 2 : position + 2 + size]
        if not size or len(nal) < size:
            raise WireError("an aggregation packet shorter than its parts")
        nals.append(nal)
        position += 2 + size
    return nals
