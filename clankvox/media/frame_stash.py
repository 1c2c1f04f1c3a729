"""Frames that outran the key that opens them: the commit or welcome comes by another way than the media."""

from collections import deque
from typing import Final

from clankvox.media.frame_assembler import AssembledFrame

MOST_FRAMES: Final = 128
MOST_BYTES: Final = 32 * 1024 * 1024
LONGEST_S: Final = 10.0


class FrameStash:
    """Frames of one stream in order; the oldest are dropped beyond 128 frames, 32 MiB or 10 s. Not thread-safe."""

    def __init__(self) -> None:
        self._frames: deque[AssembledFrame] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._frames)

    def keep(self, frame: AssembledFrame) -> int:
        """Keep a frame; returns how many older ones were dropped for it."""
        self._frames.append(frame)
        self._bytes += len(frame.data)
        dropped = 0
        while len(self._frames) > MOST_FRAMES or self._bytes > MOST_BYTES:
            self._drop_oldest()
            dropped += 1
        return dropped

    def expire(self, now: float) -> int:
        """Drop what has waited for too long; returns how many."""
        dropped = 0
        while self._frames and now >= self._frames[0].arrival + LONGEST_S:
            self._drop_oldest()
            dropped += 1
        return dropped

    def take_all(self) -> list[AssembledFrame]:
        """Return all frames in order, and be empty."""
        frames = [*self._frames]
        self._frames.clear()
        self._bytes = 0
        return frames

    @property
    def deadline(self) -> float | None:
        """When the oldest frame is dropped; None if there is none."""
        return self._frames[0].arrival + LONGEST_S if self._frames else None

    def _drop_oldest(self) -> None:
        self._bytes -= len(self._frames.popleft().data)
