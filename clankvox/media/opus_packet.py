"""What an Opus packet says about itself without being decoded (RFC 6716 sections 3 and 4.2.3)."""

from typing import Final

from clankvox.wire.rtp import SILENCE_FRAME

TICKS_PER_MS: Final = 48
"""RTP clock ticks of Opus, whatever the packet's own bandwidth (RFC 7587 section 4.1)."""
LONGEST_PACKET_TICKS: Final = 5_760
SHORTEST_FRAME_TICKS: Final = 120
USUAL_PACKET_TICKS: Final = 960

_SILK_TICKS: Final = (480, 960, 1_920, 2_880)
_HYBRID_TICKS: Final = (480, 960)
_CELT_TICKS: Final = (120, 240, 480, 960)
_FRAME_TICKS: Final = _SILK_TICKS * 3 + _HYBRID_TICKS * 2 + _CELT_TICKS * 4
"""Frame duration by configuration number (RFC 6716 table 2)."""
_FIRST_CELT_CONFIG: Final = 16
_STEREO: Final = 0x04
_LONG_LENGTH: Final = 252


def frame_ticks(packet: bytes) -> int:
    """Duration of each of the packet's frames, in 48 kHz ticks."""
    return _FRAME_TICKS[packet[0] >> 3]


def duration_ticks(packet: bytes) -> int:
    """Duration of the packet in 48 kHz ticks; the usual 20 ms if it is none (RFC 6716 section 3.4 [R5])."""
    if not packet:
        return USUAL_PACKET_TICKS
    code = packet[0] & 0x03
    if code < 3:
        return _FRAME_TICKS[packet[0] >> 3] * (2 if code else 1)
    frames = packet[1] & 0x3F if len(packet) > 1 else 0
    ticks = _FRAME_TICKS[packet[0] >> 3] * frames
    return ticks if 0 < ticks <= LONGEST_PACKET_TICKS else USUAL_PACKET_TICKS


def is_quiet(packet: bytes) -> bool:
    """Whether the sender says that nothing is to be heard: the silence frame, or a frame that DTX left empty."""
    return packet == SILENCE_FRAME or len(packet) <= 2


def has_fec(packet: bytes) -> bool:
    """Whether the first frame carries a low bit rate copy (LBRR) of the frame before it.

    Only SILK does, also in hybrid frames. The flags are the first bits of the frame: per channel one voice
    activity bit for each 20 ms and then the LBRR bit; being equiprobable they stand in clear at the top.
    """
    if not packet or packet[0] >> 3 >= _FIRST_CELT_CONFIG:
        return False
    first = _first_frame_offset(packet)
    if first is None or first >= len(packet):
        return False
    silk_frames = max(1, frame_ticks(packet) // 960)
    flags = 0x80 >> silk_frames
    if packet[0] & _STEREO:
        flags |= 0x80 >> (2 * silk_frames + 1)
    return bool(packet[first] & flags)


def _first_frame_offset(packet: bytes) -> int | None:
    """Where the first frame begins; None if the packet ends before (RFC 6716 section 3.2)."""
    code = packet[0] & 0x03
    if code < 2:
        return 1
    if code == 2:
        return _after_length(packet, 1)
    if len(packet) < 2:
        return None
    offset: int | None = 2
    if packet[1] & 0x40:
        offset = _after_padding_count(packet)
    if packet[1] & 0x80:
        for _ in range((packet[1] & 0x3F) - 1):
            if offset is None:
                return None
            offset = _after_length(packet, offset)
    return offset


def _after_length(packet: bytes, offset: int) -> int | None:
    if offset >= len(packet):
        return None
    return offset + (1 if packet[offset] < _LONG_LENGTH else 2)


def _after_padding_count(packet: bytes) -> int | None:
    for offset in range(2, len(packet)):
        if packet[offset] != 0xFF:
            return offset + 1
    return None
