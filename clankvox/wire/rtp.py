"""RTP packets (RFC 3550 section 5.1) with one-byte header extensions (RFC 8285 section 4.2), layer by layer.

On the wire of an `rtpsize` transport: header, CSRCs and the 4-byte extension preamble in clear, then
encrypted together the extension body, the payload and the RTP padding with its count byte.
"""

import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

from clankvox.errors import WireError
from clankvox.ids import Ssrc

OPUS_PAYLOAD_TYPE: Final = 120
H264_PAYLOAD_TYPE: Final = 105
VP8_PAYLOAD_TYPE: Final = 107
"""What we name in op 1; the payload type of a codec's retransmissions (RTX) is the next one."""
VIDEO_CLOCK_HZ: Final = 90_000
OPUS_CLOCK_HZ: Final = 48_000
SILENCE_FRAME: Final = b"\xf8\xff\xfe"
"""20 ms of Opus silence; five of them end a talkspurt, and they may travel without DAVE."""
FIXED_HEADER_BYTES: Final = 12

_HEADER: Final = struct.Struct("!BBHII")
_EXTENSION_PREAMBLE: Final = struct.Struct("!HH")
_ONE_BYTE_PROFILE: Final = 0xBEDE
_VERSION_BITS: Final = 0x80
_PADDING_BIT: Final = 0x20
_EXTENSION_BIT: Final = 0x10
_RTCP_TYPES: Final = range(192, 224)
_LAST_EXTENSION_ID: Final = 14
_STOP_EXTENSION_ID: Final = 15


class RtpHeader(NamedTuple):
    """What stands in clear before an RTP payload.

    `clear_bytes` is the length of the AEAD's additional data: 12 + 4 per CSRC (+ 4 with extensions).
    `extension_bytes` is the length of the extension body, which begins the encrypted part (0 without one).
    """

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: Ssrc
    has_padding: bool
    clear_bytes: int
    extension_bytes: int


def is_rtcp(datagram: bytes) -> bool:
    """Tell RTCP from RTP on the shared port (RFC 5761 section 4); 8-byte keep-alives are neither."""
    return len(datagram) > 8 and datagram[0] & 0xC0 == _VERSION_BITS and datagram[1] in _RTCP_TYPES


def is_rtp(datagram: bytes) -> bool:
    """Whether `datagram` is long enough for RTP, of version 2, and not RTCP."""
    return (
        len(datagram) >= FIXED_HEADER_BYTES and datagram[0] & 0xC0 == _VERSION_BITS and datagram[1] not in _RTCP_TYPES
    )


def parse_header(datagram: bytes) -> RtpHeader:
    """Read the clear part of an RTP packet, sealed or not; WireError if there is no whole header."""
    size = len(datagram)
    if size < FIXED_HEADER_BYTES:
        raise WireError("RTP packet shorter than its fixed header")
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(datagram)
    if first & 0xC0 != _VERSION_BITS:
        raise WireError("not RTP version 2")
    if second in _RTCP_TYPES:
        raise WireError("RTCP where RTP was expected")
    clear_bytes = FIXED_HEADER_BYTES + 4 * (first & 0x0F)
    extension_bytes = 0
    if first & _EXTENSION_BIT:
        clear_bytes += 4
        # a slice past the end is short, never an error, and the check below then refuses the packet
        extension_bytes = 4 * int.from_bytes(datagram[clear_bytes - 2 : clear_bytes], "big")
    if clear_bytes + extension_bytes > size:
        raise WireError("RTP packet shorter than its header says")
    return RtpHeader(
        second & 0x7F,
        second > 0x7F,
        sequence,
        timestamp,
        ssrc,
        first & _PADDING_BIT != 0,
        clear_bytes,
        extension_bytes,
    )


def strip(header: RtpHeader, plaintext: bytes) -> bytes:
    """Drop extension body and RTP padding from the decrypted part of a packet and return its payload.

    The payload of a packet that is padding only is b"". WireError if body and padding do not fit.
    """
    start, end = header.extension_bytes, len(plaintext)
    if header.has_padding and end:
        count = plaintext[-1]
        if not count:
            raise WireError("RTP padding without a count")
        end -= count
    elif header.has_padding:
        raise WireError("RTP padding announced for an empty packet")
    if start > end:
        raise WireError("RTP packet shorter than its extension and padding")
    return plaintext[start:end]


def build_header(
    *,
    payload_type: int,
    sequence: int,
    timestamp: int,
    ssrc: int,
    marker: bool = False,
    padding: bool = False,
    extension_words: int | None = None,
) -> bytes:
    """Build the clear part of a packet: 12 bytes, or 16 if `extension_words` (even 0) is given.

    The caller seals `extension_words` words of body before the payload, and with `padding` ends it by `pad`.
    ValueError for a payload type that is out of range or would read as RTCP.
    """
    if not 0 <= payload_type <= 0x7F or payload_type + 0x80 in _RTCP_TYPES:
        raise ValueError(f"payload type {payload_type} cannot share a port with RTCP")
    first = _VERSION_BITS | _PADDING_BIT * padding | _EXTENSION_BIT * (extension_words is not None)
    fixed = _HEADER.pack(first, payload_type | 0x80 * marker, sequence, timestamp, ssrc)
    if extension_words is None:
        return fixed
    return fixed + _EXTENSION_PREAMBLE.pack(_ONE_BYTE_PROFILE, extension_words)


def pad(payload: bytes, total_padding: int) -> bytes:
    """Append `total_padding` bytes (1..255) of RTP padding, the last of which is their count."""
    if not 1 <= total_padding <= 0xFF:
        raise ValueError("RTP padding is 1 to 255 bytes")
    return payload + bytes(total_padding - 1) + bytes((total_padding,))


def parse_extensions(body: bytes) -> dict[int, bytes]:
    """Read one-byte header extensions by id, 1..14. Reads as far as it makes sense; never raises."""
    elements: dict[int, bytes] = {}
    offset = 0
    while offset < len(body):
        identifier, size = body[offset] >> 4, (body[offset] & 0x0F) + 1
        offset += 1
        if identifier == _STOP_EXTENSION_ID:
            break
        if identifier == 0:  # a pad byte
            continue
        data = body[offset : offset + size]
        if len(data) < size:
            break
        elements[identifier] = data
        offset += size
    return elements


def build_extensions(elements: Mapping[int, bytes]) -> bytes:
    """Build the body of one-byte header extensions, padded to whole words; ids 1..14, data of 1..16 bytes."""
    body = bytearray()
    for identifier, data in elements.items():
        if not 1 <= identifier <= _LAST_EXTENSION_ID or not 1 <= len(data) <= 16:
            raise ValueError("one-byte extensions have ids 1 to 14 and 1 to 16 bytes")
        body.append(identifier << 4 | len(data) - 1)
        body += data
    return bytes(body) + bytes(-len(body) % 4)
