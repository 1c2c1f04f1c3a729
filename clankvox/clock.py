"""Time. The only module that imports `time`, so that tests own it everywhere else.

All instants are seconds on one monotonic clock; pure code takes `now` as an argument.
"""

import time
from typing import Final, Protocol

SLOT_S: Final = 0.020
"""Length of a pacing slot: one Opus frame."""


class Clock(Protocol):
    """What actors and shells need to know about time."""

    def now(self) -> float:
        """Monotonic seconds."""
        ...


class SystemClock:
    """The real clock. Thread-safe."""

    def now(self) -> float:
        """Monotonic seconds (CLOCK_MONOTONIC on Linux)."""
        return time.monotonic()

    def unix_ms(self) -> int:
        """Wall clock in ms, for heartbeat nonces and reports only."""
        return time.time_ns() // 1_000_000

    def sleep(self, seconds: float) -> None:
        """Block the calling thread; only shells and command-line programs may."""
        time.sleep(seconds)


class SlotGrid:
    """Absolute grid of pacing slots: deadlines never drift, late slots are skipped, never replayed.

    Not thread-safe: the pacer thread owns it.
    """

    __slots__ = ("_origin", "_slot")

    def __init__(self) -> None:
        self._origin = 0.0
        self._slot = -1

    def rephase(self, now: float) -> None:
        """Start a fresh grid whose next deadline is `now`, so that the first frame after idle leaves at once."""
        self._origin = now
        self._slot = -1

    def deadline(self) -> float:
        """Instant of the next slot."""
        return self._origin + (self._slot + 1) * SLOT_S

    def advance(self, now: float) -> int:
        """Take the slot that is due and return how many slots were missed before it (0 when in time).

        A slot taken up to one period late is merely late; the ones that lie wholly in the past are missed.
        """
        due = max(self._slot + 1, int((now - self._origin) / SLOT_S))
        missed = due - (self._slot + 1)
        self._slot = due
        return missed
