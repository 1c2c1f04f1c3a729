"""The PCM of one track between the thread that decodes it and the actor that plays it: bounded by time, and wiped.

One producer (the source's worker thread) waits for room; one consumer (the playback actor) takes a frame per slot and
never waits.
"""

import threading
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clankvox.media.pcm import FRAME_SAMPLES, PcmRing, Stereo

CAPACITY_MS: Final = 2_000
_SAMPLES_PER_MS: Final = 48
_CHANNELS: Final = 2


def nothing() -> None:
    """Tell nobody."""


class TrackBuffer:
    """48 kHz stereo int16, first in, first out. Thread-safe for one producer and one consumer."""

    def __init__(self, capacity_ms: int = CAPACITY_MS, on_filled: Callable[[], None] = nothing) -> None:
        """`on_filled` is called on the producer's thread, outside the lock.

        That is whenever the buffer turns from empty to not empty, and once at `finish`: look again.
        """
        self._capacity_samples = capacity_ms * _SAMPLES_PER_MS
        self._ring = PcmRing(self._capacity_samples, _CHANNELS)
        self._on_filled = on_filled
        self._changed = threading.Condition(threading.Lock())
        self._finished = False
        self._closed = False
        self.played_samples = 0
        """How many of those that were taken crossed the wire: written by the consumer alone, read by anyone."""

    # --- the producer ---

    def wait_room(self, samples: int, timeout_s: float) -> bool:
        """Wait until `samples` more fit. True: they do, or the buffer was closed; False: timed out.

        ValueError for more samples than the buffer can ever hold.
        """
        if samples > self._capacity_samples:
            raise ValueError("more samples than the buffer holds")
        with self._changed:
            return self._changed.wait_for(lambda: self._closed or self._room() >= samples, timeout_s)

    def put_now(self, pcm: Stereo) -> bool:
        """Append `pcm` of shape (n, 2). False, and nothing is kept, if the buffer was closed or has no room for all."""
        with self._changed:
            if self._closed or len(pcm) > self._room():
                return False
            if self._finished:
                raise ValueError("PCM after the end of the track")
            turned = len(self._ring) == 0 and len(pcm) > 0
            self._ring.put(pcm)
        if turned:
            self._on_filled()
        return True

    def put(self, pcm: Stereo, timeout_s: float) -> bool:
        """Append all of `pcm` of shape (n, 2), whatever its length, waiting for room; False once the buffer is closed.

        Each wait is cut into pieces of `timeout_s`; a producer with a deadline of its own uses `wait_room`, `put_now`.
        """
        position = 0
        while position < len(pcm):
            piece = pcm[position : position + FRAME_SAMPLES]
            if not self.wait_room(len(piece), timeout_s):
                continue
            if not self.put_now(piece):
                return False
            position += len(piece)
        return not self.closed

    def finish(self) -> None:
        """Say that no more PCM comes. Idempotent."""
        with self._changed:
            told_before, self._finished = self._finished or self._closed, True
        if not told_before:
            self._on_filled()

    # --- either side ---

    def close(self) -> None:
        """Drop everything, overwrite it, and let the producer go. Idempotent."""
        with self._changed:
            self._closed = True
            self._ring.clear()
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        with self._changed:
            return self._closed

    # --- the consumer ---

    def take_into(self, out: NDArray[np.int16]) -> int:
        """Move the oldest samples into the front of `out` of shape (960, 2); returns how many. Never waits."""
        with self._changed:
            taken = self._ring.take_into(out)
            if taken:
                self._changed.notify_all()
            return taken

    @property
    def buffered_samples(self) -> int:
        """Samples per channel that can be taken now."""
        with self._changed:
            return len(self._ring)

    @property
    def finished(self) -> bool:
        """Whether the producer said that no more PCM comes."""
        with self._changed:
            return self._finished

    @property
    def exhausted(self) -> bool:
        """Whether the track is over and all of it was taken."""
        with self._changed:
            return self._finished and len(self._ring) == 0

    def _room(self) -> int:
        """Caller holds the lock."""
        return self._capacity_samples - len(self._ring)
