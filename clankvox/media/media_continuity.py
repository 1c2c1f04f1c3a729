"""Media times that only grow, whatever a container says, and the same for all of its tracks."""

import math
from typing import Any, Final, Self

from av import time_base
from av.container import InputContainer
from av.format import Flags

_LONGEST_JUMP_S: Final = 10.0
_LONGEST_STEP_BACK_S: Final = 0.5
_CLOCK_MAY_JUMP: Final[Any] = Flags.ts_discont.value
"""Of a container's format, a plain number: it may restart its clock midway, as transport streams and playlists do."""


class TimeBase:
    """Where on one line of media time a container's timestamps are, jump after jump. Not thread-safe.

    Transport streams wrap, playlists restart their clock at a discontinuity. Tracks jump one behind the other, by as
    much: who jumps first finds where the new timestamps belong, and the others follow, so that sound stays with its
    picture.
    """

    def __init__(self, *, believed_s: float = -math.inf) -> None:
        """Up to `believed_s` a gap in the timestamps is one, however long it is: the container ends there."""
        self._believed_s = believed_s
        self._offset_s = 0.0
        self._latest_s = -math.inf

    @classmethod
    def of(cls, container: InputContainer) -> Self:
        """Return the one of a container that is read from its beginning."""
        if container.format.flags & _CLOCK_MAY_JUMP or container.duration is None:
            return cls()
        return cls(believed_s=((container.start_time or 0) + container.duration) / time_base)

    def offset_of(self, time_s: float, offset_s: float, expected_s: float) -> float:
        """Return what is to be added to `time_s` of a track that goes on at `expected_s`; `offset_s` was before.

        A gap is none of the clock's jumps if it is short, or ends where another track is: then it is kept.
        """
        latest_s = max(self._latest_s, expected_s) + _LONGEST_JUMP_S
        for known_s in (offset_s, self._offset_s):
            believed = time_s <= self._believed_s or time_s + known_s <= latest_s
            if believed and time_s + known_s >= expected_s - _LONGEST_STEP_BACK_S:
                break
        else:
            known_s = self._offset_s = expected_s - time_s
        self._latest_s = max(self._latest_s, time_s + known_s)
        return known_s


class ContinuousTime:
    """Maps one track's timestamps to media times: small disorder is clamped, a new time base is joined on."""

    def __init__(self, shortest_step_s: float, base: TimeBase | None = None) -> None:
        """`shortest_step_s` is what a time that does not advance counts as; `base` is shared with other tracks."""
        self._shortest_step_s = shortest_step_s
        self._base = base or TimeBase()
        self._offset_s = 0.0
        self._last_s: float | None = None

    def at(self, time_s: float | None) -> float:
        """Media time of what the container says is due at `time_s`; None if it does not say."""
        if self._last_s is None:
            self._last_s = time_s if time_s is not None else 0.0
            return self._last_s
        expected_s = self._last_s + self._shortest_step_s
        if time_s is not None:
            self._offset_s = self._base.offset_of(time_s, self._offset_s, expected_s)
            expected_s = max(time_s + self._offset_s, expected_s)
        self._last_s = expected_s
        return expected_s
