"""What the parent wants to hear, as the receive pipeline reads it.

Capture actors write one entry per user; the role's pipeline reads it per packet under the same lock, so that after
`withdraw` returns no PCM of that capture can still be on its way: the actor may send the end marker at once.
"""

import threading
from typing import NamedTuple

from clankvox.ids import CaptureId, UserId


class CaptureConfig(NamedTuple):
    """One armed capture. Immutable; a change is a new entry."""

    arming: int
    """Number of this arming; the pipeline never delivers twice into an arming that it has ended."""
    capture_id: CaptureId | None
    sample_rate_hz: int
    silence_duration_ms: int


class CaptureBoard:
    """The armed captures of one role. Thread-safe."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        """Held by the pipeline while it processes one datagram or one poll (well under a millisecond)."""
        self._armed: dict[UserId, CaptureConfig] = {}
        self._version = 0

    @property
    def version(self) -> int:
        """Grows with every change, so that the pipeline notices new captures without comparing entries."""
        return self._version

    def arm(self, user_id: UserId, config: CaptureConfig) -> None:
        """Deliver `user_id`'s speech as `config` says. Capture actor."""
        with self.lock:
            self._armed[user_id] = config
            self._version += 1

    def withdraw(self, user_id: UserId) -> None:
        """Deliver nothing of `user_id` any more; final when it returns. Capture actor."""
        with self.lock:
            self._armed.pop(user_id, None)
            self._version += 1

    def armed(self, user_id: UserId) -> CaptureConfig | None:
        """Return the capture of `user_id`. Caller holds `lock` (the pipeline)."""
        return self._armed.get(user_id)
