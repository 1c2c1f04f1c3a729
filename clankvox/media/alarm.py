"""When the next thing is due, for a poll that costs nothing until then."""

import math
from typing import Final

IDLE_POLL_S: Final = 1.0
LATE_S: Final = 0.25
"""Who comes back so much later than agreed had no time, as probably nobody else in the process."""
GRACE_S: Final = 0.5
"""So long behind that nothing is given up: what it waits for has come meanwhile, and is acted upon now."""


class Alarm:
    """The earliest instant that anybody asked for. Not thread-safe."""

    __slots__ = ("_agreed", "_grace_until", "due")

    def __init__(self) -> None:
        self.due = 0.0
        self._agreed = math.inf
        self._grace_until = -math.inf

    def wake(self, now: float) -> None:
        """Note that we are running."""
        if now > self._agreed + LATE_S:
            self._grace_until = now + GRACE_S

    def sleep(self, now: float) -> float:
        """Return when to come back at the latest."""
        self._agreed = max(self.due, now)
        return self.due

    def end_of(self, patience_s: float, since: float) -> float:
        """Return when something that has waited since then is given up."""
        return max(since + patience_s, self._grace_until)

    def by(self, instant: float) -> None:
        """Ask to be polled at `instant` at the latest."""
        self.due = min(self.due, instant)

    def restart(self, now: float) -> None:
        """Begin a poll: everybody who still waits asks again."""
        self.due = now + IDLE_POLL_S
