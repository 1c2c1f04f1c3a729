"""Sound of the published source, taken slot by slot at the instant at which it belongs to the picture.

Shared by two threads under a lock: the publish worker puts, the actor that prepares the stream's audio packets takes.
"""

import threading
from collections import deque
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from clankvox.media.pcm import FRAME_SAMPLES, RATE_HZ, Stereo

LONGEST_S: Final = 30.0
"""6 MB; more than is read ahead (publish_line.SOUND_AHEAD_S)."""
TOLERANCE_S: Final = 0.020
"""How far sound may be from its picture before samples are dropped or silence is put in; 40 ms are noticed."""


class _Block(NamedTuple):
    instant_s: float
    pcm: Stereo

    @property
    def end_s(self) -> float:
        """Instant after its last sample."""
        return self.instant_s + len(self.pcm) / RATE_HZ


class StreamAudio:
    """PCM with instants on the clock, 48 kHz stereo int16. Bounded to 30 s; then the oldest is dropped and counted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks: deque[_Block] = deque()
        self._samples = 0
        """In all blocks."""
        self._held = False
        self._lease = 0
        self.dropped_samples = 0

    def lease(self) -> int:
        """Let a new source put, and nobody else; what the one before left is dropped. Any thread."""
        with self._lock:
            self._lease += 1
            self._blocks.clear()
            self._samples = 0
            self._held = False
            return self._lease

    def clear(self) -> None:
        """Drop everything; whoever puts now is not heard. Any thread."""
        self.lease()

    # --- for the source with the lease, to no effect for any other; any thread ---

    def put(self, lease: int, instant_s: float, pcm: Stereo) -> None:
        """Append samples, the first of which is to be heard at `instant_s`."""
        with self._lock:
            if lease != self._lease:
                return
            self._blocks.append(_Block(instant_s, pcm))
            self._samples += len(pcm)
            while self._samples > LONGEST_S * RATE_HZ:
                oldest = len(self._blocks[0].pcm)
                self.dropped_samples += oldest
                self._consume(oldest)

    def hold(self, lease: int) -> None:
        """Give nothing out until `release`: the source is held."""
        with self._lock:
            self._held = self._held or lease == self._lease

    def release(self, lease: int, later_s: float) -> None:
        """Give out again, everything `later_s` later than was said."""
        with self._lock:
            if lease == self._lease:
                self._held = False
                self._shift(later_s)

    def shift(self, lease: int, later_s: float) -> None:
        """Move everything that waits: the picture has been moved too."""
        with self._lock:
            if lease == self._lease:
                self._shift(later_s)

    def end_s(self, lease: int) -> float | None:
        """Instant after the last sample that waits; None if there is none."""
        with self._lock:
            return self._blocks[-1].end_s if self._blocks and lease == self._lease else None

    # --- for whoever sends ---

    def take(self, deadline_s: float) -> Stereo | None:
        """Return the 960 samples that belong to the slot at `deadline_s`, or None if there is no sound for it.

        What is missing of the frame at its end is silence.
        """
        with self._lock:
            if self._held:
                return None
            self._skip_to(deadline_s - TOLERANCE_S, deadline_s)
            if not self._blocks or self._blocks[0].instant_s > deadline_s + TOLERANCE_S:
                return None
            frame: npt.NDArray[np.int16] = np.zeros((FRAME_SAMPLES, 2), np.int16)
            filled = 0
            while filled < FRAME_SAMPLES and self._blocks:
                block = self._blocks[0]
                if filled and block.instant_s > deadline_s + filled / RATE_HZ + 2 * TOLERANCE_S:
                    break  # a gap in the source: silence up to it
                part = block.pcm[: FRAME_SAMPLES - filled]
                frame[filled : filled + len(part)] = part
                filled += len(part)
                self._consume(len(part))
            return frame

    def _skip_to(self, oldest_s: float, wanted_s: float) -> None:
        """Drop what is too late by more than the tolerance, up to what belongs to now."""
        if not self._blocks or self._blocks[0].instant_s >= oldest_s:
            return
        while self._blocks and self._blocks[0].instant_s < wanted_s:
            samples = min(round((wanted_s - self._blocks[0].instant_s) * RATE_HZ), len(self._blocks[0].pcm))
            if samples == 0:
                return
            self.dropped_samples += samples
            self._consume(samples)

    def _consume(self, samples: int) -> None:
        block = self._blocks.popleft()
        self._samples -= samples
        if samples < len(block.pcm):
            self._blocks.appendleft(_Block(block.instant_s + samples / RATE_HZ, block.pcm[samples:]))

    def _shift(self, later_s: float) -> None:
        self._blocks = deque(_Block(block.instant_s + later_s, block.pcm) for block in self._blocks)
