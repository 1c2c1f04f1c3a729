"""What PCM is here, and a bounded first-in first-out queue of it that forgets what it has given."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

RATE_HZ: Final = 48_000
"""Rate of everything between resampling and Opus."""
FRAME_SAMPLES: Final = 960
"""Samples per channel, and ticks of the 48 kHz RTP clock, in one 20 ms slot."""

Mono = NDArray[np.int16]
"""Samples of shape (samples,)."""
Stereo = NDArray[np.int16]
"""Samples of shape (samples, 2)."""


class PcmRing:
    """Holds up to a fixed count of int16 samples in one array, and zeroes what is taken. Not thread-safe.

    Counts are per channel. With one channel arrays have the shape (samples,), with more (samples, channels).
    """

    __slots__ = ("_head", "_length", "_samples")

    def __init__(self, capacity_samples: int, channels: int = 1) -> None:
        shape = (capacity_samples,) if channels == 1 else (capacity_samples, channels)
        self._samples: NDArray[np.int16] = np.zeros(shape, np.int16)
        self._head = 0
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def put(self, pcm: Mono | Stereo) -> None:
        """Append all of `pcm`. ValueError if it does not fit."""
        if len(pcm) > len(self._samples) - self._length:
            raise ValueError("more samples than fit")
        start = (self._head + self._length) % len(self._samples)
        before_wrap = min(len(pcm), len(self._samples) - start)
        self._samples[start : start + before_wrap] = pcm[:before_wrap]
        self._samples[: len(pcm) - before_wrap] = pcm[before_wrap:]
        self._length += len(pcm)

    def take_into(self, target: Mono | Stereo) -> int:
        """Move the oldest samples into the front of `target`; returns how many, at most its length."""
        count = min(len(target), self._length)
        before_wrap = min(count, len(self._samples) - self._head)
        oldest = self._samples[self._head : self._head + before_wrap]
        wrapped = self._samples[: count - before_wrap]
        target[:before_wrap] = oldest
        target[before_wrap:count] = wrapped
        oldest.fill(0)
        wrapped.fill(0)
        self._head = (self._head + count) % len(self._samples)
        self._length -= count
        return count

    def clear(self) -> None:
        """Forget everything, and overwrite it with zeros."""
        self._samples.fill(0)
        self._head = 0
        self._length = 0
