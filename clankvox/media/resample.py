"""Sample rate conversion of a stream of PCM, with state across chunks (libswresample)."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clankvox.media.libswresample import SwrContext

Samples = NDArray[np.int16]
"""Samples: shape (samples, channels) here, (samples,) where mono is certain."""

_CHANNELS: Final = (1, 2)


class StreamResampler:
    """Converts one stream after the other; chunk borders leave no trace, and no sample is lost or made up over time.

    The converter holds back up to a millisecond that it needs for its filter; `finish` releases it, after which
    exactly round(samples in * out rate / in rate) have come out, and the next `push` begins a new stream.
    Not thread-safe.
    """

    def __init__(self, in_rate_hz: int, out_rate_hz: int, channels: int) -> None:
        """Convert 1 or 2 channels; equal rates pass through."""
        if channels not in _CHANNELS:
            raise ValueError("1 or 2 channels")
        self._in_rate_hz = in_rate_hz
        self._out_rate_hz = out_rate_hz
        self._channels = channels
        self._context = None if in_rate_hz == out_rate_hz else SwrContext(in_rate_hz, out_rate_hz, channels)
        self._taken = 0
        self._given = 0

    def push(self, pcm: Samples) -> Samples:
        """Convert int16 samples of shape (samples, channels); returns a new array of what is ready (may be empty)."""
        if self._context is None:
            return pcm.copy()
        if not len(pcm):
            return np.empty((0, self._channels), np.int16)
        if not self._taken:
            self._context.begin()
        whole = np.ascontiguousarray(pcm, np.int16)
        ready = np.empty((self._context.most_samples(len(whole)), self._channels), np.int16)
        count = self._context.convert(whole.ctypes.data, len(whole), ready.ctypes.data, len(ready))
        self._taken += len(whole)
        self._given += count
        return ready[:count]

    def finish(self) -> Samples:
        """Return the end of the stream, and be ready for the next one."""
        if self._context is None or not self._taken:
            return np.empty((0, self._channels), np.int16)
        due = (self._taken * self._out_rate_hz * 2 + self._in_rate_hz) // (2 * self._in_rate_hz) - self._given
        tail = np.zeros((max(due, self._context.most_samples(0)), self._channels), np.int16)
        self._context.flush(tail.ctypes.data, len(tail))
        self._taken = self._given = 0
        return tail[:due]

    def forget(self) -> None:
        """Drop the stream; the next `push` begins a new one."""
        self._taken = self._given = 0
