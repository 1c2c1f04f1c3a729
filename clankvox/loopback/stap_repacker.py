"""Packs two small NAL units of an H264 picture into one STAP-A, as a server between clients may.

Sequence numbers stay: the second packet goes on as padding only. So receivers need no other numbers for what they ask
again, and they meet aggregation and a padding packet in the midst of a picture.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from clankvox.loopback import h264_payload
from clankvox.wire.rtp import RtpHeader
from clankvox.wire.seq import seq_add

_SINGLE: Final = range(1, 24)
_MAX_BYTES: Final = 1100
_OVERHEAD: Final = 5


class Arrival(NamedTuple):
    """An opened packet: `datagram` for its clear part, `extension` body and `payload` in clear."""

    datagram: bytes
    header: RtpHeader
    extension: bytes
    payload: bytes


class StapRepacker:
    """Of one H264 stream; holds back at most one packet, until the next comes or `overdue` lets it go."""

    def __init__(self, pass_on: Callable[[Arrival, float], None]) -> None:
        """Hand packets over to `pass_on`, in their order."""
        self._pass_on = pass_on
        self._held: Arrival | None = None

    @property
    def holding(self) -> bool:
        """Whether a packet waits for its successor."""
        return self._held is not None

    def take(self, arrival: Arrival, now: float) -> None:
        """Take the next packet."""
        held, self._held = self._held, None
        if held is not None:
            if _belong_together(held, arrival):
                together = h264_payload.aggregate((held.payload, arrival.payload))
                self._pass_on(held._replace(payload=together), now)
                self._pass_on(arrival._replace(payload=b""), now)
                return
            self._pass_on(held, now)
        if _is_small_single(arrival):
            self._held = arrival
        else:
            self._pass_on(arrival, now)

    def overdue(self, now: float) -> None:
        """Let go what is held."""
        held, self._held = self._held, None
        if held is not None:
            self._pass_on(held, now)


def _is_small_single(arrival: Arrival) -> bool:
    payload = arrival.payload
    single = bool(payload) and h264_payload.nal_type(payload) in _SINGLE
    return single and len(payload) < _MAX_BYTES // 2 and not arrival.header.marker


def _belong_together(first: Arrival, second: Arrival) -> bool:
    return (
        _is_small_single(second)
        and second.header.sequence == seq_add(first.header.sequence, 1)
        and second.header.timestamp == first.header.timestamp
        and len(first.payload) + len(second.payload) + _OVERHEAD <= _MAX_BYTES
    )
