"""When to try again, and when to stop: pure schedules, no clock."""

from collections import deque
from random import Random
from typing import Final

FIRST_DELAY_S: Final = 1.0
MAX_DELAY_S: Final = 16.0
_DOUBLINGS: Final = 4
"""After so many the delay has reached MAX_DELAY_S; bounds the power for any attempt number."""


class Backoff:
    """Exponential delays, jitter over their upper half: the clients of a lost server do not return all at once."""

    __slots__ = ("_rng",)

    def __init__(self, rng: Random) -> None:
        self._rng = rng

    def delay_s(self, attempt: int) -> float:
        """Return the wait before try number `attempt` (from 1): up to 1, 2, 4, 8, then 16 s, at least half of it."""
        if attempt < 1:
            raise ValueError("attempts count from 1")
        longest: float = min(FIRST_DELAY_S * 2 ** min(attempt - 1, _DOUBLINGS), MAX_DELAY_S)
        return longest * (1.0 + self._rng.random()) / 2.0


class AttemptBudget:
    """At most `limit` attempts within any `window_s` seconds."""

    __slots__ = ("_limit", "_spent", "_window_s")

    def __init__(self, limit: int, window_s: float) -> None:
        self._limit = limit
        self._window_s = window_s
        self._spent: deque[float] = deque()

    def spend(self, now: float) -> bool:
        """Take one attempt at `now`; False, and nothing taken, if the budget is used up."""
        while self._spent and now - self._spent[0] >= self._window_s:
            self._spent.popleft()
        if len(self._spent) >= self._limit:
            return False
        self._spent.append(now)
        return True
