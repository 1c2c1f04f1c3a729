"""Getting back one session whose socket was lost: when to try, how long, and what is to be said afterwards.

At most RESUME_WINDOW_S from the loss on, and within the budget that all resumes of a role share. The first try is made
at once, because audio goes on but nothing about it can be agreed on; later ones back off. Pure rules, no clock.
"""

from collections import deque
from typing import Final

from clankvox.protocol.backoff import AttemptBudget, Backoff
from clankvox.protocol.close_codes import BUDGETS, Recovery

RESUME_WINDOW_S: Final = BUDGETS[Recovery.RESUME].window_s
TRY_S: Final = 4.0
"""From name look-up to the server's word (op 9); a server that is well answers within 0.1 s."""
KEPT_FRAMES: Final = 256
"""What we want to say meanwhile; several times what a change of the DAVE group takes."""


class Resumption:
    """One outage. Not thread-safe."""

    def __init__(self, began: float, budget: AttemptBudget, backoff: Backoff) -> None:
        """Begin with the loss, at `began` (s); `budget` and `backoff` are the role's."""
        self._ends = began + RESUME_WINDOW_S
        self._budget = budget
        self._backoff = backoff
        self._tries = 0
        self._kept: deque[str | bytes] = deque()

    def next_try(self, now: float) -> float | None:
        """Return when to open the next socket, None if it is time to identify anew."""
        due = now if self._tries == 0 else now + self._backoff.delay_s(self._tries)
        if due >= self._ends or not self._budget.spend(now):
            return None
        self._tries += 1
        return due

    def patience_s(self, now: float) -> float:
        """Return how long a try that begins at `now` may take."""
        return max(min(TRY_S, self._ends - now), 0.0)

    def keep(self, frame: str | bytes) -> bool:
        """Keep what cannot be sent now, in order; False when there is too much, which no resume can make good.

        To leave out some of it would tell the server a group change in pieces.
        """
        if len(self._kept) >= KEPT_FRAMES:
            return False
        self._kept.append(frame)
        return True

    def take_kept(self) -> list[str | bytes]:
        """Return what is to be sent once the session is back, oldest first; it is kept no longer."""
        kept = list(self._kept)
        self._kept.clear()
        return kept
