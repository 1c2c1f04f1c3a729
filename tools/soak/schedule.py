"""What goes wrong, and in which order: drawn from a seed, so that a run can be had again."""

import itertools
import random
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final, NamedTuple


class Cause(StrEnum):
    """Why something may be missing; every fault is one, and so is everything between two of them."""

    QUIET = "quiet"
    START = "start"
    CLOSE_1006 = "close_1006"
    CLOSE_4006 = "close_4006"
    CLOSE_4009 = "close_4009"
    CLOSE_4015 = "close_4015"
    MOVE_4014 = "move_4014"
    MIGRATE = "migrate"
    STALL = "stall"
    NETWORK = "network"
    REORDER = "reorder"
    DOWNGRADE = "downgrade"
    UPGRADE = "upgrade"
    JOIN = "join"
    LEAVE = "leave"
    BAD_COMMIT_US = "bad_commit_us"
    BAD_COMMIT_OTHER = "bad_commit_other"
    WATCH_CLOSE = "watch_close"
    PUBLISH_CLOSE = "publish_close"


class Fault(NamedTuple):
    """One of them, with what was drawn for it."""

    number: int
    cause: Cause
    gap_s: float
    """Of quiet before it."""
    draw: float
    """0 to 1: how long or how bad, for the fault to say."""


CLOSES: Final = {
    Cause.CLOSE_1006: 1006,
    Cause.CLOSE_4006: 4006,
    Cause.CLOSE_4009: 4009,
    Cause.CLOSE_4015: 4015,
    Cause.MOVE_4014: 4014,
}
RESUMED: Final = frozenset({Cause.CLOSE_1006, Cause.CLOSE_4015})
"""Only the socket is gone: the session goes on, and all media with it."""
LOSES_LINKS: Final = frozenset({*CLOSES, Cause.MIGRATE})
"""The process makes a link anew, which it may do five times a minute and no oftener."""
ENDS_SESSIONS: Final = LOSES_LINKS - RESUMED
"""It makes a session anew as well."""
HURTS_NOBODY: Final = frozenset(
    {
        *RESUMED,
        Cause.QUIET,
        Cause.DOWNGRADE,
        Cause.UPGRADE,
        Cause.JOIN,
        Cause.LEAVE,
        Cause.WATCH_CLOSE,
        Cause.PUBLISH_CLOSE,
    }
)
"""While these last no frame of the call may be missing, in either direction."""
LOCKS_US_OUT: Final = frozenset({*ENDS_SESSIONS, Cause.START, Cause.BAD_COMMIT_US, Cause.STALL})
"""Only while these last may frames pass us by, or come before we can have their key."""
SPACING_S: Final = 13.0
"""At least so long from one lost link to the next: at most five attempts in 60 s are made."""
OTHERS_BETWEEN: Final = 5
"""Faults from one lost link to the next."""

_WEIGHTS: Final = {
    Cause.STALL: 2,
    Cause.NETWORK: 2,
    Cause.REORDER: 1,
    Cause.DOWNGRADE: 1,
    Cause.JOIN: 4,
    Cause.LEAVE: 4,
    Cause.BAD_COMMIT_US: 1,
    Cause.BAD_COMMIT_OTHER: 1,
    Cause.WATCH_CLOSE: 1,
    Cause.PUBLISH_CLOSE: 1,
}


class Deck:
    """Gives every card once, then all of them shuffled by their weights, again and again."""

    def __init__(self, draws: random.Random, weights: Mapping[Cause, int]) -> None:
        self._draws, self._weights = draws, weights
        self._cards = [*weights]
        draws.shuffle(self._cards)

    def next(self) -> Cause:
        """Take the next card."""
        if not self._cards:
            self._cards = [cause for cause, weight in self._weights.items() for _ in range(weight)]
            self._draws.shuffle(self._cards)
        return self._cards.pop()


def faults(seed: int, longest_gap_s: float) -> Iterator[Fault]:
    """Yield faults without end: one that loses the link, then some others. Each seed has its own."""
    draws = random.Random(seed)  # noqa: S311 - reproducible, not secret
    lose, other = Deck(draws, dict.fromkeys(sorted(LOSES_LINKS), 1)), Deck(draws, _WEIGHTS)
    for number in itertools.count(1):
        cause = lose.next() if number % (OTHERS_BETWEEN + 1) == 1 else other.next()
        fault = Fault(number, cause, draws.uniform(0.5, longest_gap_s), draws.random())
        yield fault
        if cause is Cause.DOWNGRADE:
            yield fault._replace(cause=Cause.UPGRADE)
