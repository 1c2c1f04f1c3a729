"""Expected and heard frames, both ways, by what was going on: every instant of a run belongs to one cause."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tools.soak.captured import Captured
from tools.soak.schedule import Cause
from tools.soak.witness import Heard, Look, Witness

FRAME_S: Final = 0.020


class Reading(NamedTuple):
    """All counters at one instant (monotonic)."""

    at_s: float
    look: Look
    captured: dict[str, int]


@dataclass
class Entry:
    """What belongs to one cause. Frames of 20 ms."""

    times: int = 0
    lasted_s: float = 0.0
    spoken: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """By each member."""
    captured: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Of it, by us."""
    said: int = 0
    """By us, as the media server saw it."""
    heard: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Of it, by each member."""
    refused: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """By each member that could not open it, by our fault."""
    excused: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """By each member that could not open it, by no fault of ours."""
    recovered_s: list[float] = field(default_factory=list)
    """How long each time until all was well again."""


class Accounts:
    """The soak's own thread writes it."""

    def __init__(self, witness: Witness, captured: Captured, now: float) -> None:
        self.entries: dict[Cause, Entry] = defaultdict(Entry)
        self._witness, self._captured = witness, captured
        self._last = self._read(now)

    def book(self, cause: Cause, now: float, recovered_s: float | None = None) -> None:
        """Put all that has happened since the last booking to the account of `cause`."""
        reading, last = self._read(now), self._last
        self._last = reading
        entry = self.entries[cause]
        entry.times += 1
        entry.lasted_s += reading.at_s - last.at_s
        entry.said += reading.look.said - last.look.said
        for user, spoken in reading.look.spoken.items():
            entry.spoken[user] += spoken - last.look.spoken.get(user, 0)
            entry.captured[user] += reading.captured[user] - last.captured.get(user, 0)
        for user, heard in reading.look.heard.items():
            before = last.look.heard.get(user, Heard(0, 0, 0))
            entry.heard[user] += heard.opened - before.opened
            entry.refused[user] += heard.refused - before.refused
            entry.excused[user] += heard.excused - before.excused
        if recovered_s is not None:
            entry.recovered_s.append(recovered_s)

    def _read(self, now: float) -> Reading:
        look = self._witness.look()
        return Reading(now, look, {user: self._captured.frames[user] for user in look.spoken})
