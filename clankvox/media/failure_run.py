"""Frames of one stream that could not be opened, one behind the other: when to ask for help."""

from typing import Final

UNDECRYPTABLE_RUN: Final = 36
"""Consecutive failures after which a client should ask for help (DAVE protocol, "Invalid Commit or Welcome")."""
UNDECRYPTABLE_S: Final = 0.5
"""So long a run lasts: 36 frames that come at once, because we got no time to read, outrun the news of their key."""


class FailureRun:
    """Failures of one stream in a row. Not thread-safe."""

    __slots__ = ("_since", "_told", "failures")

    def __init__(self) -> None:
        self.failures = 0
        """So many in a row."""
        self._told = 0
        self._since = 0.0

    def note(self, arrival: float) -> bool:
        """Count a frame of `arrival` (s) that does not open; return whether it is time to ask for help (again)."""
        if self.failures == self._told:
            self._since = arrival
        self.failures += 1
        due = self.failures - self._told >= UNDECRYPTABLE_RUN and arrival - self._since >= UNDECRYPTABLE_S
        if due:
            self._told = self.failures
        return due

    def end(self) -> None:
        """Note a frame that opened."""
        self.failures = self._told = 0
