"""Retransmission payloads (RFC 4588 section 4): the packet's own sequence number, then its payload.

They travel on an SSRC, a sequence and a payload type of their own, with the original timestamp and marker.
"""

from typing import Final, NamedTuple

from clankvox.errors import WireError

_NUMBER_BYTES: Final = 2


class Retransmission(NamedTuple):
    """A packet that was sent again."""

    sequence: int
    """Its number in the media stream."""
    payload: bytes


def wrap(sequence: int, payload: bytes) -> bytes:
    """Return the RTX payload for the media packet `sequence`."""
    return sequence.to_bytes(_NUMBER_BYTES, "big") + payload


def unwrap(payload: bytes) -> Retransmission:
    """Read an RTX payload, padding already removed. WireError for one without a number: senders probe with those."""
    if len(payload) < _NUMBER_BYTES:
        raise WireError("RTX payload without a sequence number")
    return Retransmission(int.from_bytes(payload[:_NUMBER_BYTES], "big"), payload[_NUMBER_BYTES:])
