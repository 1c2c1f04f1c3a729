"""Access units on their way to the decoding thread: a short queue a stream that drops the oldest.

Dropping a picture makes all that build on it worthless, so that whole runs are dropped, up to a key frame.
"""

from collections import deque
from itertools import count
from typing import Final, NamedTuple

from clankvox.ids import Ssrc
from clankvox.media.video_ports import AccessUnit

MOST_WAITING: Final = 8


class _Waiting(NamedTuple):
    order: int
    unit: AccessUnit


class DecodeQueue:
    """Units of all streams of a role, in the order in which they came. Not thread-safe: the worker locks it."""

    def __init__(self) -> None:
        self.dropped = 0
        """Units that the decoder was too slow for."""
        self._streams: dict[Ssrc, deque[_Waiting]] = {}
        self._orders = count()

    def __len__(self) -> int:
        return sum(map(len, self._streams.values()))

    def put(self, unit: AccessUnit) -> bool:
        """Take a unit; False if only a key frame helps the stream now, because what it builds on was dropped."""
        waiting = self._streams.setdefault(unit.ssrc, deque())
        if len(waiting) >= MOST_WAITING and not self._make_room(waiting, unit):
            return False
        waiting.append(_Waiting(next(self._orders), unit))
        return True

    def take(self) -> AccessUnit | None:
        """Return the unit that has waited longest, None if there is none."""
        waiting = [stream for stream in self._streams.values() if stream]
        if not waiting:
            return None
        return min(waiting, key=lambda stream: stream[0].order).popleft().unit

    def forget(self, ssrc: Ssrc) -> None:
        """Drop what waits of a stream that is over, uncounted."""
        self._streams.pop(ssrc, None)

    def _make_room(self, waiting: deque[_Waiting], unit: AccessUnit) -> bool:
        """Drop what `unit` or a key frame that waits makes needless; failing that all, and `unit` too."""
        keyframes = [place for place, each in enumerate(waiting) if place and each.unit.keyframe]
        if unit.keyframe or keyframes:
            self._drop(waiting, first=0, last=len(waiting) if unit.keyframe else keyframes[0])
            return True
        self._drop(waiting, first=int(waiting[0].unit.keyframe), last=len(waiting))
        self.dropped += 1
        return False

    def _drop(self, waiting: deque[_Waiting], first: int, last: int) -> None:
        kept = [each for place, each in enumerate(waiting) if not first <= place < last]
        self.dropped += len(waiting) - len(kept)
        waiting.clear()
        waiting.extend(kept)
