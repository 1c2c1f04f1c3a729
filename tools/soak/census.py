"""How many actors there are, and how often one had to be replaced: what `inspect` answers, where it is known."""

import statistics
from typing import Final

from clankvox.clock import SystemClock
from clankvox.demo.parent import Event, VoxParent

_ANSWER_S: Final = 3.0
_POLL_S: Final = 0.05
_LEAST: Final = 10


class Census:
    """`note` is for the thread that reads the pipe, the rest for the soak's own."""

    def __init__(self) -> None:
        self.actors: list[int] = []
        self.restarts = 0
        self.known = False
        """Whether the process knows the command."""

    def note(self, event: Event) -> None:
        """Take an event; others than `inspect` are left alone."""
        if event.type == "inspect":
            self.actors.append(len(event.body["actors"]))
            self.restarts = sum(event.body["restarts"].values())

    def begin(self, vox: VoxParent) -> None:
        """Find out whether the process answers."""
        clock = SystemClock()
        vox.send({"type": "inspect"})
        deadline = clock.now() + _ANSWER_S
        while not self.actors and clock.now() < deadline:
            clock.sleep(_POLL_S)
        self.known = bool(self.actors)
        self.actors.clear()

    def ask(self, vox: VoxParent) -> None:
        """Have the actors counted."""
        if self.known:
            vox.send({"type": "inspect"})

    def growth(self) -> float:
        """Return how many more there are in the last fifth than in the second, in medians; 0 if too few were asked."""
        fifth = len(self.actors) // 5
        if fifth < _LEAST:
            return 0.0
        return statistics.median(self.actors[-fifth:]) - statistics.median(self.actors[fifth : 2 * fifth])
