"""How long a source may take, and how often one that broke in mid-track is opened anew. Pure; time is an argument."""

from typing import Final, NamedTuple

from clankvox.media.source_fault import SourceFault

_DELAYS_S: Final = (0.0, 0.5, 1.0, 2.0, 4.0)
_PROGRESS_MS: Final = 5_000
"""A source that gave so much since it broke last is sound again."""


class Patience(NamedTuple):
    """Deadlines in seconds."""

    direct_s: float = 15.0
    """From the start to the first PCM of a media URL."""
    page_s: float = 30.0
    """The same for a page, yt-dlp included."""
    stall_s: float = 10.0
    """Without data while the buffer has room."""
    mend_s: float = 30.0
    """From a break in mid-track to PCM again."""


class MendingPlan:
    """The budget of one track. Not thread-safe."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._tries = 0
        self._broken_at = 0.0
        self._broken_ms = 0

    def delay_s(self, fault: SourceFault, position_ms: int, now: float) -> float:
        """Return how long to wait before the next opening; raises `fault` if there is no use in one."""
        if self._tries == 0 or position_ms - self._broken_ms >= _PROGRESS_MS:
            self._tries, self._broken_at = 0, now
        self._broken_ms = max(self._broken_ms, position_ms) if self._tries else position_ms
        if not fault.recoverable or self._tries >= len(_DELAYS_S) or self.left_s(now) <= 0:
            raise fault
        self._tries += 1
        return _DELAYS_S[self._tries - 1]

    def left_s(self, now: float) -> float:
        """Return how much of the time for mending is left."""
        return self._broken_at + self._patience.mend_s - now
