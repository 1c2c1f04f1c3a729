"""Which pictures a decoder may see, and when to ask for one that it can begin with.

A decoder never says that a picture it builds on is missing, it just drifts; so what was lost is remembered here.
"""

from typing import Final

REQUEST_INTERVAL_S: Final = 1.0
ANSWERED_INTERVAL_S: Final = 0.3
"""A sender that has just answered may be asked again so soon: a loss right behind the key frame freezes the picture."""
OVERDUE_S: Final = 2.0
_URGENT_REQUESTS: Final = 10
"""So many in a row to a sender of whom nothing comes make the next ones rarer."""


class KeyframeGate:
    """Lets deltas pass only while nothing they build on is missing. Not thread-safe."""

    def __init__(self) -> None:
        self.waiting = True
        """Whether only a key frame helps."""
        self.unanswered = 0
        """Requests since the last key frame."""
        self._request_at = 0.0
        self._asked_at = -REQUEST_INTERVAL_S
        self._overdue_at: float | None = None

    def lose(self) -> None:
        """Note that a picture is missing."""
        self.waiting = True

    def shed(self) -> None:
        """Note that a picture was dropped here, because the decoder is too slow: key frames are the dearest of all."""
        self.waiting = True
        self._request_at = max(self._request_at, self._asked_at + REQUEST_INTERVAL_S)

    def admit(self, *, keyframe: bool) -> bool:
        """Whether a picture can be decoded."""
        if keyframe:
            self.waiting = False
            self.unanswered = 0
            self._request_at = min(self._request_at, self._asked_at + ANSWERED_INTERVAL_S)
            self._overdue_at = None
        return not self.waiting

    def take_request(self, now: float, *, alive: bool) -> bool:
        """Whether to ask the sender now, once a second at most unless it answers; if so it is counted.

        `alive`: its packets come.
        """
        if not self.waiting or now < self._request_at:
            return False
        self.unanswered += 1
        self._asked_at = now
        urgent = alive or self.unanswered < _URGENT_REQUESTS
        self._request_at = now + (REQUEST_INTERVAL_S if urgent else OVERDUE_S)
        return True

    def take_overdue(self, now: float) -> bool:
        """Whether another 2 s have passed without a picture to begin with."""
        if not self.waiting:
            return False
        if self._overdue_at is None:
            self._overdue_at = now + OVERDUE_S
            return False
        if now < self._overdue_at:
            return False
        self._overdue_at = now + OVERDUE_S
        return True

    @property
    def due(self) -> float | None:
        """When to ask again; None while nothing is missing."""
        if not self.waiting:
            return None
        return self._request_at if self._overdue_at is None else min(self._request_at, self._overdue_at)
