"""What the parent wants to hear, as the receive pipeline reads it.

Capture actors write one entry per user; the role's pipeline reads it per packet under the same lock, so that after
`withdraw` returns no PCM of that capture can still be on its way: the actor may send the end marker at once.
"""

import threading
from collections.abc import Callable
from typing import NamedTuple

from clankvox.ids import CaptureId, UserId
from clankvox.media.segment import Segment


class CaptureConfig(NamedTuple):
    """One armed capture. Immutable; a change is a new entry."""

    arming: int
    """Number of this arming (see `next_arming`); the pipeline never delivers into one that it has ended."""
    capture_id: CaptureId | None
    sample_rate_hz: int
    silence_duration_ms: int
    timeline: bool = False
    """Every piece of PCM says when it was made, when it came and what it is."""
    pre_roll_ms: int = 0
    """Deliver from so long before the first speech; with `min_speech_ms`, 0 for both: all that is heard."""
    min_speech_ms: int = 0
    """Deliver nothing of an utterance before so much speech."""

    @property
    def is_gated(self) -> bool:
        """Whether PCM waits for speech."""
        return self.pre_roll_ms > 0 or self.min_speech_ms > 0

    @property
    def wants_segments(self) -> bool:
        """Whether the end of an utterance says what it was."""
        return self.timeline or self.is_gated


def no_segment(_user_id: UserId, _arming: int | None) -> Segment | None:
    """Answer for a pipeline that is not there."""
    return None


def nobody_waits() -> None:
    """Do nothing: no thread waits for a change."""


class CaptureBoard:
    """The armed captures of one role. Thread-safe."""

    def __init__(self, wake: Callable[[], None] = nobody_waits) -> None:
        """`wake` is called after every change, outside the lock: held speech may be delivered now."""
        self._wake = wake
        self.lock = threading.Lock()
        """Held by the pipeline while it processes one datagram or one poll (well under a millisecond)."""
        self._armed: dict[UserId, CaptureConfig] = {}
        self.version = 0
        """Grows with every change, so that the pipeline notices new captures without comparing entries."""
        self._armings = 0
        self._close: Callable[[UserId, int | None], Segment | None] = no_segment

    def closes_with(self, close: Callable[[UserId, int | None], Segment | None]) -> None:
        """Ask `close(user_id, arming)` for what is told of an utterance that ends from this side; see `close`."""
        self._close = close

    def next_arming(self) -> int:
        """Return a number that no arming of this role had before, also not one of an actor that is gone."""
        with self.lock:
            self._armings += 1
            return self._armings

    def arm(self, user_id: UserId, config: CaptureConfig) -> None:
        """Deliver `user_id`'s speech as `config` says. Capture actor."""
        with self.lock:
            self._armed[user_id] = config
            self.version += 1
        self._wake()

    def close(self, user_id: UserId, arming: int) -> Segment | None:
        """End an utterance that goes into `arming`, if one does, and return what is told of it. Capture actor."""
        with self.lock:
            return self._close(user_id, arming)

    def withdraw(self, user_id: UserId) -> Segment | None:
        """Deliver nothing of `user_id` any more; final when it returns. Capture actor.

        Returns what is told of the utterance that this ends, if the capture wanted to know.
        """
        with self.lock:
            segment = self._close(user_id, None)
            self._armed.pop(user_id, None)
            self.version += 1
        self._wake()
        return segment

    def armed(self, user_id: UserId) -> CaptureConfig | None:
        """Return the capture of `user_id`. Caller holds `lock` (the pipeline)."""
        return self._armed.get(user_id)
