"""Which decoded pictures are worth a JPEG: so many a second and no more, the first one always."""

from typing import Final

_EARLY_S: Final = 0.010
_EARLY_SHARE: Final = 0.1
"""Of the interval, if that is less. So early a picture may be, else a source of just the wanted rate would lose each
one that jitters."""


class PictureGate:
    """Admits pictures of one stream at a rate. Not thread-safe."""

    def __init__(self) -> None:
        self._due = float("-inf")

    def admit(self, max_per_second: int, now: float) -> bool:
        """Whether the picture of `now` is to be shown; if so it is counted."""
        if now < self._due:
            return False
        interval_s = 1.0 / max_per_second
        self._due = max(self._due, now - min(_EARLY_S, _EARLY_SHARE * interval_s)) + interval_s
        return True

    def reset(self) -> None:
        """Admit the next picture."""
        self._due = float("-inf")
