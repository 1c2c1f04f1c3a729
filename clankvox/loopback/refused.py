"""Why a member could not open a frame, as far as keys prove it: counted by sender.

What does not open is tried with the keys of groups that this member has left, and again whenever a new key comes.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from clankvox.errors import OpenFailed
from clankvox.loopback.member_engine import Engine

_MOST_WAITING: Final = 256


class Refusal(StrEnum):
    """What is known of a refused frame."""

    CLEAR = "clear"
    """Not encrypted, though encryption is on."""
    RETIRED = "retired"
    """A group that this member has left opened it."""
    IN_FLIGHT = "inFlight"
    """One of these two, by a sender who had not answered what the server told it of the change."""
    EARLY = "early"
    """What came later opened it: sealed with a key before the server said that all have it (22)."""
    EARLY_AT_ONCE = "earlyAtOnce"
    """The same by transition 0, which has no op 22: nobody can know who has the key."""
    OUTSIDE = "outside"
    """Sealed for the group as it was without this member: before its sender's first frame in this group opened, or
    after the member gave its group up by itself."""
    UNEXPLAINED = "unexplained"
    """After it, and no key of this member ever opened it."""


class _Waiting(NamedTuple):
    user_id: int
    frame: bytes
    refusal: Refusal


class RefusedFrames:
    """Of one member. Not thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._heard: set[int] = set()
        self._gave_up = False
        self._waiting: deque[_Waiting] = deque(maxlen=_MOST_WAITING)
        self._counts: dict[int, Counter[str]] = defaultdict(Counter)

    @property
    def counts(self) -> Mapping[int, Mapping[str, int]]:
        """By sender and Refusal."""
        return self._counts

    def opened(self, user_id: int) -> None:
        """Note that a frame of `user_id` opened."""
        if not self._gave_up:
            self._heard.add(user_id)

    def begun_anew(self, *, gave_up: bool) -> None:
        """Note that the member has left its group, by itself (`gave_up`) or because the server said so."""
        self._heard.clear()
        self._gave_up = gave_up

    def in_force(self) -> None:
        """Note that a transition is executed: whoever gave up is in the group again, and nobody seals without it."""
        self._gave_up = False

    def clear(self, user_id: int, *, told: bool) -> None:
        """Note a clear frame where there should be none; `told` if its sender had answered all that it was told."""
        self._counts[user_id][Refusal.CLEAR if told else Refusal.IN_FLIGHT] += 1

    def note(self, user_id: int, frame: bytes, *, told: bool) -> None:
        """Take a frame that did not open; `told` as above."""
        try:
            self._engine.decrypt_retired(user_id, frame)
        except OpenFailed:
            refusal = Refusal.UNEXPLAINED if user_id in self._heard else Refusal.OUTSIDE
            self._waiting.append(_Waiting(user_id, frame, refusal))
        else:
            refusal = Refusal.OUTSIDE if self._gave_up else Refusal.RETIRED if told else Refusal.IN_FLIGHT
        self._counts[user_id][refusal] += 1

    def try_again(self, *, at_once: bool) -> None:
        """Look what a new key opens; `at_once` if it came with transition 0."""
        proven = Refusal.EARLY_AT_ONCE if at_once else Refusal.EARLY
        for waiting in [*self._waiting]:
            try:
                self._engine.decrypt(waiting.user_id, waiting.frame)
            except OpenFailed:
                continue
            self._waiting.remove(waiting)
            self._counts[waiting.user_id][waiting.refusal] -= 1
            self._counts[waiting.user_id][proven] += 1
