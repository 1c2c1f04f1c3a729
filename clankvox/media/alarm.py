"""When the next thing is due, for a poll that costs nothing until then."""

from typing import Final

IDLE_POLL_S: Final = 1.0


class Alarm:
    """The earliest instant that anybody asked for. Not thread-safe."""

    __slots__ = ("due",)

    def __init__(self) -> None:
        self.due = 0.0

    def by(self, instant: float) -> None:
        """Ask to be polled at `instant` at the latest."""
        self.due = min(self.due, instant)

    def restart(self, now: float) -> None:
        """Begin a poll: everybody who still waits asks again."""
        self.due = now + IDLE_POLL_S
