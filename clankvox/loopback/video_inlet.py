"""A video stream as a watching member receives it: order, gaps, repair, and whole pictures.

Written apart from the client's code, so that a misunderstanding shows on one side.
"""

from collections import Counter
from typing import Final, NamedTuple

from clankvox.errors import WireError
from clankvox.loopback import h264_payload, vp8_payload
from clankvox.loopback.member_engine import VideoCodec
from clankvox.wire.seq import seq_delta

_RESET_JUMP: Final = 3000
_ASK_AGAIN_S: Final = 0.1
_MAX_ASKED: Final = 253
"""More do not fit into one NACK of a packet's size."""
_MAX_HELD: Final = 1024


class Assembled(NamedTuple):
    """A picture, still encrypted; `frame` is None if it was received but does not make sense."""

    timestamp: int
    frame: bytes | None


class _Received(NamedTuple):
    timestamp: int
    marker: bool
    payload: bytes


class VideoInlet:
    """One primary SSRC. Sequence numbers inside are counted on past the wrap. Time is in seconds, monotonic."""

    def __init__(self, codec: VideoCodec, hold_s: float) -> None:
        """Wait up to `hold_s` for a packet that is missing."""
        self.counters: Counter[str] = Counter()
        self.highest: int | None = None
        """Greatest sequence number so far, counted on past the wrap."""
        self._depacketise = h264_payload.depacketise if codec == "H264" else vp8_payload.depacketise
        self._hold_s = hold_s
        self._next = 0
        self._held: dict[int, _Received] = {}
        self._missing: dict[int, float] = {}
        """Since when."""
        self._asked: dict[int, float] = {}
        self._parts: list[bytes] = []
        self._timestamp: int | None = None
        self._broken = False

    def take(self, sequence: int, timestamp: int, payload: bytes, now: float, *, marker: bool) -> list[Assembled]:
        """Take a packet in whatever order, and return the pictures that are complete by it."""
        number = self._number(sequence, now)
        if number < self._next or number in self._held:
            self.counters["duplicates"] += 1
            return []
        self.counters["packets"] += 1
        self._missing.pop(number, None)
        self._asked.pop(number, None)
        self._held[number] = _Received(timestamp, marker, payload)
        return self._drain()

    def take_repair(self, payload: bytes, timestamp: int, now: float, *, marker: bool) -> list[Assembled]:
        """Take the payload of a retransmission (RFC 4588)."""
        self.counters["rtxPackets"] += 1
        if len(payload) < 2 or self.highest is None:
            return []
        sequence = int.from_bytes(payload[:2], "big")
        if self.highest + seq_delta(sequence, self.highest & 0xFFFF) in self._missing:
            self.counters["repaired"] += 1
        return self.take(sequence, timestamp, payload[2:], now, marker=marker)

    def give_up(self, now: float) -> tuple[bool, list[Assembled]]:
        """Stop waiting for what is overdue; return whether anything is lost, and the pictures behind it."""
        overdue = [number for number, since in self._missing.items() if now - since >= self._hold_s]
        if len(self._held) > _MAX_HELD:
            overdue = list(self._missing)
        if not overdue:
            return False, []
        self.counters["lost"] += len(overdue)
        for number in overdue:
            del self._missing[number]
            self._asked.pop(number, None)
        self._next = max(overdue) + 1
        waiting = [number for number in self._missing if number < self._next]
        for number in waiting:  # an older one that is not overdue can no longer help
            del self._missing[number]
        self.counters["lost"] += len(waiting)
        for number in [number for number in self._held if number < self._next]:
            del self._held[number]
        self._parts.clear()
        self._broken = True
        return True, self._drain()

    def to_ask(self, now: float) -> list[int]:
        """Return the sequence numbers to ask for now: each at once, and again each 100 ms."""
        due = [number for number in self._missing if now - self._asked.get(number, -1.0) >= _ASK_AGAIN_S]
        for number in due[:_MAX_ASKED]:
            self._asked[number] = now
        self.counters["asked"] += len(due[:_MAX_ASKED])
        return [number & 0xFFFF for number in sorted(due[:_MAX_ASKED])]

    def _number(self, sequence: int, now: float) -> int:
        if self.highest is None:
            self.highest = self._next = sequence
            return sequence
        step = seq_delta(sequence, self.highest & 0xFFFF)
        number = self.highest + step
        if abs(step) > _RESET_JUMP:
            self.counters["resets"] += 1
            self._held.clear()
            self._missing.clear()
            self._parts.clear()
            self._broken = True
            self.highest = self._next = number
        elif step > 0:
            for missing in range(self.highest + 1, number):
                self._missing[missing] = now
            self.highest = number
        return number

    def _drain(self) -> list[Assembled]:
        complete = []
        while (received := self._held.pop(self._next, None)) is not None:
            self._next += 1
            if not received.payload:
                self.counters["padding"] += 1
                continue
            complete += self._add(received)
        return complete

    def _add(self, received: _Received) -> list[Assembled]:
        if self._parts and received.timestamp != self._timestamp:
            self.counters["withoutMarker"] += 1
            self._parts.clear()
        self._timestamp = received.timestamp
        self._parts.append(received.payload)
        if not received.marker:
            return []
        parts, self._parts = self._parts, []
        broken, self._broken = self._broken, False
        if broken:  # its beginning may be among what was lost
            self.counters["incomplete"] += 1
            return []
        try:
            return [Assembled(received.timestamp, self._depacketise(parts))]
        except WireError:
            self.counters["malformed"] += 1
            return [Assembled(received.timestamp, None)]
