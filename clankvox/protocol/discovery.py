"""When to send IP discovery requests: datagrams get lost, so the request is repeated a few times."""

from enum import StrEnum
from typing import Final

REPEAT_S: Final = 1.0
MAX_REQUESTS: Final = 5


class DiscoveryStep(StrEnum):
    """What to do now."""

    WAIT = "wait"
    SEND = "send"
    FAIL = "fail"


class DiscoverySchedule:
    """One run of IP discovery: a request at once, then one a second, failed one second after the fifth.

    After the answer call `answered`; after each `poll` call again at `next_poll`.
    """

    __slots__ = ("_due", "_sent")

    def __init__(self, now: float) -> None:
        self._due: float | None = now
        self._sent = 0

    def poll(self, now: float) -> DiscoveryStep:
        """Return what to do at `now`. A late poll sends one request, never a burst; FAIL comes once."""
        if self._due is None or now < self._due:
            return DiscoveryStep.WAIT
        if self._sent >= MAX_REQUESTS:
            self._due = None
            return DiscoveryStep.FAIL
        self._sent += 1
        self._due = now + REPEAT_S
        return DiscoveryStep.SEND

    def answered(self) -> None:
        """End the run: the reply is there."""
        self._due = None

    def next_poll(self) -> float | None:
        """Instant of the next step, None when the run is over."""
        return self._due
