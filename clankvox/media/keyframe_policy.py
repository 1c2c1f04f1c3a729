"""When a picture shall be an IDR: because somebody asked, or because one is due."""

import math
from typing import Final

LEAST_INTERVAL_S: Final = 0.3
"""Between two IDRs that were asked for: an IDR costs as much as ten other pictures, and every viewer asks for one.

A request that comes earlier is kept, not dropped: the IDR that was just sent may be the one that was lost.
"""


class KeyframePolicy:
    """Not thread-safe, but for `ask`, which any thread may call."""

    def __init__(self) -> None:
        self._asked = False
        self._last_idr_s = -math.inf

    def ask(self) -> None:
        """Want an IDR as soon as the least interval allows one. Any thread."""
        self._asked = True

    @property
    def allowed_at(self) -> float:
        """Instant from which on an IDR out of turn may be made."""
        return self._last_idr_s + LEAST_INTERVAL_S

    def due_at(self) -> float:
        """Instant from which on an IDR that was asked for may be made; infinity if none was."""
        return self.allowed_at if self._asked else math.inf

    def is_due(self, instant_s: float, interval_s: float) -> bool:
        """Whether the picture at `instant_s` shall be an IDR, with `interval_s` as the longest time between two."""
        return instant_s >= self.due_at() or instant_s - self._last_idr_s >= interval_s

    def made(self, instant_s: float) -> None:
        """Take note that the picture at `instant_s` is an IDR that was sent."""
        self._asked = False
        self._last_idr_s = instant_s
