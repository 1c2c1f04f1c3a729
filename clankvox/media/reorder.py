"""The reorder window of one SSRC: packets in, in sequence out, with what is missing between them.

In order it adds no delay at all. Behind a gap it waits as long as packets of this stream are known to be late
(20 to 60 ms), then gives the missing ones up. It sees only packets that are proven or accepted.
"""

from enum import Enum, auto
from typing import Final, NamedTuple

from clankvox.media.given_up import FARTHEST_PACKETS, GivenUp
from clankvox.media.jitter import ArrivalJitter
from clankvox.media.opus_packet import LONGEST_PACKET_TICKS, duration_ticks, is_quiet
from clankvox.wire.rtp import OPUS_CLOCK_HZ
from clankvox.wire.seq import seq_delta, timestamp_delta

_CLOCK_SLACK_TICKS: Final = 2 * OPUS_CLOCK_HZ
_PAUSE_SLACK_TICKS: Final = 120 * OPUS_CLOCK_HZ
_LATEST_TICKS: Final = 60 * 48
"""How late a packet may be; a pause that is shorter is heard as a part of speech."""
_MOST_WAITING: Final = 48
"""Packets of the shortest kind in 120 ms; more at once are let through."""


class Frame(NamedTuple):
    """An opened Opus frame with what its packet said."""

    payload: bytes
    sequence: int
    timestamp: int
    arrival: float
    """When the packet arrived, in seconds of the clock."""


class OrderedFrame(NamedTuple):
    """A frame in its turn."""

    frame: Frame
    missing_packets: int
    """Packets given up right before it."""
    missing_ticks: int
    """Time that they would have filled, in 48 kHz ticks; pauses of the sender do not count."""
    after_quiet: bool
    """What is missing follows silence, so that nobody knows whether anything is missed."""
    begins: bool
    """The sender begins here: there is no past to continue."""


class Position(Enum):
    """Where a packet stands relative to what was released."""

    FITS = auto()
    LATE = auto()
    DUPLICATE = auto()
    RESTART = auto()


class ReorderWindow:
    """Orders one stream. `locate`, then `push` what fits; `drain` gives what is due. Not thread-safe."""

    def __init__(self) -> None:
        self.jitter = ArrivalJitter()
        self._waiting: dict[int, Frame] = {}
        self._unusable: set[int] = set()
        self._given_up = GivenUp()
        self._last: Frame | None = None
        self._last_index = -1
        self._first_index = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def locate(self, sequence: int, timestamp: int, arrival: float) -> Position:
        """Say where a packet belongs; changes nothing."""
        last = self._last
        if last is None:
            return Position.FITS
        ahead = seq_delta(sequence, last.sequence)
        ticks = timestamp_delta(timestamp, last.timestamp)
        if ahead == 1 and ticks > 0:
            waiting = self._waiting.get(self._last_index + 1) if self._waiting else None
            return Position.FITS if waiting is None else Position.DUPLICATE
        if ahead > 0:
            return self._locate_ahead(ahead, timestamp, ticks, arrival - last.arrival)
        if ahead == 0:
            return Position.DUPLICATE if ticks == 0 else Position.RESTART
        if ahead < -FARTHEST_PACKETS or not -(_PAUSE_SLACK_TICKS - ahead * LONGEST_PACKET_TICKS) <= ticks < 0:
            return Position.RESTART
        index = self._last_index + ahead
        late = index in self._given_up or index < self._first_index
        return Position.LATE if late else Position.DUPLICATE

    def push(self, frame: Frame) -> None:
        """Take a frame that fits; the first one has to be drained before the next."""
        last = self._last
        if last is None:
            index = self._last_index + FARTHEST_PACKETS
        else:
            index = self._last_index + seq_delta(frame.sequence, last.sequence)
        self._waiting[index] = frame
        self._unusable.discard(index)
        self.jitter.observe(frame.arrival, frame.timestamp)

    def pass_on(self, frame: Frame) -> OrderedFrame | None:
        """Release a frame at once if it follows the last one and none waits: `locate`, `push` and `drain` in one.

        None if there is more to be said; nothing is changed then.
        """
        last = self._last
        if last is None or self._waiting or (frame.sequence - last.sequence) & 0xFFFF != 1:
            return None
        if timestamp_delta(frame.timestamp, last.timestamp) <= 0:
            return None
        self._last = frame
        self._last_index += 1
        if self._unusable:
            self._unusable.discard(self._last_index)
        self.jitter.observe(frame.arrival, frame.timestamp)
        return OrderedFrame(frame, 0, 0, False, False)

    def note_late(self, frame: Frame) -> bool:
        """Learn from a late frame; True if it had been given up."""
        self.jitter.observe(frame.arrival, frame.timestamp)
        if self._last is None:
            return False
        index = self._last_index + seq_delta(frame.sequence, self._last.sequence)
        return self._given_up.found(index)

    def mark_unusable(self, sequence: int) -> None:
        """Say that `sequence` did arrive and cannot be played (yet): not missing, and not to be waited for."""
        if self._last is None:
            return
        ahead = seq_delta(sequence, self._last.sequence)
        index = self._last_index + ahead
        if 0 < ahead <= FARTHEST_PACKETS and index not in self._waiting and len(self._unusable) < FARTHEST_PACKETS:
            self._unusable.add(index)

    def drain(self, now: float) -> list[OrderedFrame]:
        """Take all that is in turn, or whose predecessors have kept it waiting long enough."""
        released: list[OrderedFrame] = []
        waiting = self._waiting
        while waiting:
            index = self._last_index + 1
            if self._last is None or index not in waiting:
                index = min(waiting)
                if not self._may_pass(index, now):
                    break
            released.append(self._release(index))
        return released

    def flush(self) -> list[OrderedFrame]:
        """Take everything, waiting no longer."""
        return [self._release(index) for index in sorted(self._waiting)]

    def restart(self) -> None:
        """Forget the position; what waits must have been flushed."""
        self._last = None
        self._waiting.clear()
        self._unusable.clear()
        self._given_up.clear()

    @property
    def begun(self) -> bool:
        """Whether anything was released since the start."""
        return self._last is not None

    @property
    def deadline(self) -> float | None:
        """When what waits is let through at the latest; None if nothing waits."""
        if not self._waiting:
            return None
        return min(frame.arrival for frame in self._waiting.values()) + self.jitter.wait_s

    def _locate_ahead(self, ahead: int, timestamp: int, ticks: int, elapsed_s: float) -> Position:
        farthest = max(ahead * LONGEST_PACKET_TICKS, int(elapsed_s * OPUS_CLOCK_HZ * 1.02)) + _CLOCK_SLACK_TICKS
        if ahead > FARTHEST_PACKETS or not 0 < ticks <= farthest:
            return Position.RESTART
        waiting = self._waiting.get(self._last_index + ahead)
        if waiting is None:
            return Position.FITS
        return Position.DUPLICATE if waiting.timestamp == timestamp else Position.RESTART

    def _may_pass(self, index: int, now: float) -> bool:
        """Whether the first waiting frame may overtake what is missing before it."""
        deadline = self.deadline
        if self._last is None or deadline is None or now >= deadline or len(self._waiting) > _MOST_WAITING:
            return True
        return all(skipped in self._unusable for skipped in range(self._last_index + 1, index))

    def _release(self, index: int) -> OrderedFrame:
        frame = self._waiting.pop(index)
        last = self._last
        if last is None:
            self._first_index = index
            ordered = OrderedFrame(frame, 0, 0, after_quiet=False, begins=True)
        else:
            skipped = index - self._last_index - 1
            packets = self._give_up(index) if skipped else 0
            ticks = self._missing_ticks(last, frame, skipped) if skipped else 0
            after_quiet = skipped > 0 and is_quiet(last.payload) and not _went_on(last, frame, skipped, ticks)
            ordered = OrderedFrame(frame, packets, ticks, after_quiet, begins=False)
        self._last = frame
        self._last_index = index
        return ordered

    def _give_up(self, index: int) -> int:
        """Count the sequence numbers before `index` that never came, and remember them in case they still do."""
        skipped = set(range(self._last_index + 1, index))
        missing = skipped - self._unusable
        self._unusable -= skipped
        self._given_up.add(missing, index)
        return len(missing)

    @staticmethod
    def _missing_ticks(last: Frame, frame: Frame, skipped: int) -> int:
        """Tell lost time from a pause: lost packets fill at most 120 ms each (RFC 6716 section 3.2.1)."""
        usual = duration_ticks(last.payload)
        gap = timestamp_delta(frame.timestamp, last.timestamp) - usual
        if gap > skipped * LONGEST_PACKET_TICKS:
            return skipped * usual
        return max(gap, 0)


def _went_on(last: Frame, frame: Frame, skipped: int, missing_ticks: int) -> bool:
    """Whether the sender sent all the while between two frames: as much RTP time as packets, and as much real time."""
    usual = duration_ticks(last.payload)
    elapsed_ticks = (frame.arrival - last.arrival) * OPUS_CLOCK_HZ
    in_step = missing_ticks == skipped * usual
    return in_step and abs(elapsed_ticks - missing_ticks - usual) <= _LATEST_TICKS
