"""What the delivery service remembers of each client, and of the one transition under way."""

from dataclasses import dataclass, field
from typing import Final

from clankvox.ids import TransitionId, UserId
from clankvox.loopback.mls import KeyPackage

ANSWER_LIMIT_S: Final = 2.0
"""How long the service waits for a commit, for ops 23, or for key packages that it asked for."""


@dataclass(slots=True)
class AnswerLimit:
    """A time limit of ANSWER_LIMIT_S from the first tick that sees it."""

    at: float | None = None

    def passed(self, now: float) -> bool:
        """Whether the limit is over at `now` (monotonic seconds)."""
        if self.at is None:
            self.at = now + ANSWER_LIMIT_S
        return now >= self.at


@dataclass(slots=True)
class MemberSession:
    """One session of a user. `leaf` is set while the user knows the present group."""

    dave_version: int
    key_package: KeyPackage | None = None
    leaf: int | None = None
    knows_sender: bool = False
    recovering: bool = False


@dataclass(slots=True)
class Transition:
    """An announced transition: whose op 23 is missing, and who gets op 22."""

    transition_id: TransitionId
    version: int
    addressed: frozenset[UserId]
    waiting: set[UserId]
    limit: AnswerLimit = field(default_factory=AnswerLimit)
