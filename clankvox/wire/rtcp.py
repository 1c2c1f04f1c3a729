"""RTCP packets: reports (RFC 3550 section 6.4) and video feedback (RFC 4585 section 6, RFC 5104 section 4.3).

Works on the plaintext of a compound packet: the `RTCP_CLEAR_BYTES` that travel in clear, then what was
opened. Length words count the plaintext; tag and nonce of the transport are no part of them.
"""

import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias

from clankvox.errors import WireError
from clankvox.ids import Ssrc
from clankvox.wire.seq import seq_add, seq_delta

RTCP_CLEAR_BYTES: Final = 8
"""Additional data of a sealed RTCP datagram: the first packet's header and its sender's SSRC."""

_VERSION_BITS: Final = 0x80
_PADDING_BIT: Final = 0x20
_COUNT_MASK: Final = 0x1F
_HEADER: Final = struct.Struct("!BBH")
_SENDER_INFO: Final = struct.Struct("!IQIII")
_BLOCK: Final = struct.Struct("!IIIIII")
_SSRC: Final = struct.Struct("!I")
_SSRC_PAIR: Final = struct.Struct("!II")
_NACK_ITEM: Final = struct.Struct("!HH")
_FIR_ITEM: Final = struct.Struct("!IB3x")
_BLP_BITS: Final = 16


class RtcpType(IntEnum):
    """Packet types that have a class here."""

    SENDER_REPORT = 200
    RECEIVER_REPORT = 201
    TRANSPORT_FEEDBACK = 205
    PAYLOAD_FEEDBACK = 206


class TransportFeedback(IntEnum):
    """Formats of transport feedback, in the place of the count."""

    NACK = 1


class PayloadFeedback(IntEnum):
    """Formats of payload feedback, in the place of the count."""

    PLI = 1
    FIR = 4


class ReportBlock(NamedTuple):
    """What a receiver says about one source (RFC 3550 section 6.4.1).

    `fraction_lost` is in 1/256 since the last report, `cumulative_lost` a signed 24-bit count, `jitter` in
    RTP clock ticks, `last_sr` the middle 32 bits of the NTP time of the last sender report (0 without one),
    and `delay_since_last_sr` the time since then in 1/65536 s.
    """

    ssrc: Ssrc
    fraction_lost: int
    cumulative_lost: int
    highest_sequence: int
    jitter: int
    last_sr: int
    delay_since_last_sr: int


class SenderReport(NamedTuple):
    """What a sender says about its own stream. `ntp` is a 32.32 fixed-point time in seconds since 1900."""

    ssrc: Ssrc
    ntp: int
    rtp_timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()


class ReceiverReport(NamedTuple):
    """Report blocks of someone who did not send lately."""

    ssrc: Ssrc
    blocks: tuple[ReportBlock, ...] = ()


class Pli(NamedTuple):
    """Picture loss: please send a key frame (RFC 4585 section 6.3.1)."""

    sender_ssrc: Ssrc
    media_ssrc: Ssrc


class FirRequest(NamedTuple):
    """One source that shall send a key frame; a repeated command keeps its `command` number (u8)."""

    ssrc: Ssrc
    command: int


class Fir(NamedTuple):
    """Full intra request (RFC 5104 section 4.3.1)."""

    sender_ssrc: Ssrc
    requests: tuple[FirRequest, ...]


class Nack(NamedTuple):
    """Sequence numbers to send again (RFC 4585 section 6.2.1); ascending order packs tightest."""

    sender_ssrc: Ssrc
    media_ssrc: Ssrc
    sequences: tuple[int, ...]


class Unknown(NamedTuple):
    """Any other packet; `count_or_format` is 5 bits, `body` what follows the header, without padding."""

    packet_type: int
    count_or_format: int
    body: bytes


Packet: TypeAlias = SenderReport | ReceiverReport | Pli | Fir | Nack | Unknown


def parse_compound(plaintext: bytes) -> list[Packet]:
    """Read all packets of a compound packet in order; WireError if any of them is malformed."""
    packets: list[Packet] = []
    offset = 0
    while offset < len(plaintext):
        if len(plaintext) - offset < _HEADER.size:
            raise WireError("RTCP packet shorter than its header")
        first, packet_type, words = _HEADER.unpack_from(plaintext, offset)
        end = offset + _HEADER.size + 4 * words
        if first & 0xC0 != _VERSION_BITS or end > len(plaintext):
            raise WireError("not a whole RTCP packet of version 2")
        body = plaintext[offset + _HEADER.size : end]
        if first & _PADDING_BIT:
            body = _without_padding(body)
        packets.append(_parse_packet(packet_type, first & _COUNT_MASK, body))
        offset = end
    if not packets:
        raise WireError("empty RTCP packet")
    return packets


def build_compound(packets: Iterable[Packet]) -> bytes:
    """Build a compound packet of `packets` in order."""
    return b"".join(map(build_packet, packets))


def build_packet(packet: Packet) -> bytes:
    """Build one packet of any type."""
    match packet:
        case SenderReport():
            return build_sender_report(packet)
        case ReceiverReport():
            return build_receiver_report(packet)
        case Pli():
            return build_pli(packet)
        case Fir():
            return build_fir(packet)
        case Nack():
            return build_nack(packet)
        case Unknown():
            return _with_header(*packet)


def build_sender_report(report: SenderReport) -> bytes:
    """Build a sender report with up to 31 report blocks."""
    info = _SENDER_INFO.pack(report.ssrc, report.ntp, report.rtp_timestamp, report.packets, report.octets)
    return _with_header(RtcpType.SENDER_REPORT, len(report.blocks), info + _build_blocks(report.blocks))


def build_receiver_report(report: ReceiverReport) -> bytes:
    """Build a receiver report with up to 31 report blocks."""
    body = _SSRC.pack(report.ssrc) + _build_blocks(report.blocks)
    return _with_header(RtcpType.RECEIVER_REPORT, len(report.blocks), body)


def build_pli(pli: Pli) -> bytes:
    """Build a picture loss indication."""
    return _with_header(RtcpType.PAYLOAD_FEEDBACK, PayloadFeedback.PLI, _SSRC_PAIR.pack(*pli))


def build_fir(fir: Fir) -> bytes:
    """Build a full intra request; its media SSRC is 0 because each request names its own."""
    items = b"".join(_FIR_ITEM.pack(*request) for request in fir.requests)
    return _with_header(RtcpType.PAYLOAD_FEEDBACK, PayloadFeedback.FIR, _SSRC_PAIR.pack(fir.sender_ssrc, 0) + items)


def build_nack(nack: Nack) -> bytes:
    """Build a generic NACK; each item names one packet and, by bit mask, any of the 16 after it."""
    items: list[tuple[int, int]] = []
    for sequence in nack.sequences:
        distance = seq_delta(sequence, items[-1][0]) if items else 0
        if items and 0 <= distance <= _BLP_BITS:
            pid, mask = items[-1]
            items[-1] = (pid, mask | 1 << distance >> 1)
        else:
            items.append((sequence, 0))
    body = _SSRC_PAIR.pack(nack.sender_ssrc, nack.media_ssrc)
    body += b"".join(_NACK_ITEM.pack(*item) for item in items)
    return _with_header(RtcpType.TRANSPORT_FEEDBACK, TransportFeedback.NACK, body)


def _parse_packet(packet_type: int, count: int, body: bytes) -> Packet:
    try:
        match packet_type, count:
            case RtcpType.SENDER_REPORT, _:
                blocks = _parse_blocks(body, _SENDER_INFO.size, count)
                return SenderReport._make((*_SENDER_INFO.unpack_from(body), blocks))
            case RtcpType.RECEIVER_REPORT, _:
                (ssrc,) = _SSRC.unpack_from(body)
                return ReceiverReport(ssrc, _parse_blocks(body, _SSRC.size, count))
            case RtcpType.PAYLOAD_FEEDBACK, PayloadFeedback.PLI:
                return Pli(*_SSRC_PAIR.unpack_from(body))
            case RtcpType.PAYLOAD_FEEDBACK, PayloadFeedback.FIR:
                return _parse_fir(body)
            case RtcpType.TRANSPORT_FEEDBACK, TransportFeedback.NACK:
                return _parse_nack(body)
            case _:
                return Unknown(packet_type, count, body)
    except struct.error as error:
        raise WireError("RTCP packet shorter than its contents") from error


def _parse_fir(body: bytes) -> Fir:
    sender_ssrc, _ = _SSRC_PAIR.unpack_from(body)
    return Fir(sender_ssrc, tuple(FirRequest(*item) for item in _FIR_ITEM.iter_unpack(body[_SSRC_PAIR.size :])))


def _parse_nack(body: bytes) -> Nack:
    sender_ssrc, media_ssrc = _SSRC_PAIR.unpack_from(body)
    sequences: list[int] = []
    for pid, mask in _NACK_ITEM.iter_unpack(body[_SSRC_PAIR.size :]):
        sequences.append(pid)
        sequences.extend(seq_add(pid, bit + 1) for bit in range(_BLP_BITS) if mask >> bit & 1)
    return Nack(sender_ssrc, media_ssrc, tuple(sequences))


def _parse_blocks(body: bytes, offset: int, count: int) -> tuple[ReportBlock, ...]:
    """Read `count` report blocks; what follows them is a profile's own extension and ignored."""
    blocks = []
    for start in range(offset, offset + count * _BLOCK.size, _BLOCK.size):
        ssrc, lost, *rest = _BLOCK.unpack_from(body, start)
        cumulative = (lost & 0xFF_FFFF ^ 0x80_0000) - 0x80_0000  # sign-extend 24 bits
        blocks.append(ReportBlock(ssrc, lost >> 24, cumulative, *rest))
    return tuple(blocks)


def _build_blocks(blocks: tuple[ReportBlock, ...]) -> bytes:
    return b"".join(
        _BLOCK.pack(ssrc, fraction << 24 | cumulative & 0xFF_FFFF, *rest)
        for ssrc, fraction, cumulative, *rest in blocks
    )


def _with_header(packet_type: int, count: int, body: bytes) -> bytes:
    if not 0 <= count <= _COUNT_MASK or len(body) % 4:
        raise ValueError("RTCP packets have counts up to 31 and whole words")
    return _HEADER.pack(_VERSION_BITS | count, packet_type, len(body) // 4) + body


def _without_padding(body: bytes) -> bytes:
    if not body or not 1 <= body[-1] <= len(body):
        raise WireError("RTCP padding that does not fit")
    return body[: -body[-1]]
