"""Serial number arithmetic (RFC 1982) for RTP sequence numbers (u16) and timestamps (u32)."""

from typing import Final

_SEQUENCE_MASK: Final = 0xFFFF
_SEQUENCE_HALF: Final = 0x8000
_TIMESTAMP_MASK: Final = 0xFFFF_FFFF
_TIMESTAMP_HALF: Final = 0x8000_0000


def seq_delta(newer: int, older: int) -> int:
    """Signed distance from `older` to `newer`, -32768..32767; negative when `newer` is in fact behind."""
    return ((newer - older + _SEQUENCE_HALF) & _SEQUENCE_MASK) - _SEQUENCE_HALF


def seq_add(sequence: int, count: int) -> int:
    """Sequence number `count` packets after `sequence` (before it when negative), 0..65535."""
    return (sequence + count) & _SEQUENCE_MASK


def timestamp_delta(newer: int, older: int) -> int:
    """Signed distance in RTP clock ticks, -2**31..2**31 - 1."""
    return ((newer - older + _TIMESTAMP_HALF) & _TIMESTAMP_MASK) - _TIMESTAMP_HALF


def timestamp_add(timestamp: int, ticks: int) -> int:
    """Timestamp `ticks` after `timestamp` (before it when negative), 0..2**32 - 1."""
    return (timestamp + ticks) & _TIMESTAMP_MASK
