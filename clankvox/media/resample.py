"""Sample rate conversion of a stream of PCM, with state across chunks (libswresample by PyAV)."""

from fractions import Fraction
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]
"""Samples: shape (samples, channels) here, (samples,) where mono is certain."""

_LAYOUTS: Final = {1: "mono", 2: "stereo"}


class StreamResampler:
    """Converts one stream; chunk borders leave no trace, and no sample is lost or made up over time.

    The converter holds back up to a millisecond that it needs for its filter; `finish` releases it, after which
    exactly round(samples in * out rate / in rate) have come out, and the next `push` begins a new stream.
    Not thread-safe.
    """

    def __init__(self, in_rate_hz: int, out_rate_hz: int, channels: int) -> None:
        """Convert 1 or 2 channels; equal rates pass through."""
        self._in_rate_hz = in_rate_hz
        self._out_rate_hz = out_rate_hz
        self._channels = channels
        self._layout = _LAYOUTS[channels]
        self._resampler: av.AudioResampler | None = None
        self._taken = 0
        self._given = 0

    def push(self, pcm: Samples) -> Samples:
        """Convert int16 samples of shape (samples, channels); returns a new array of what is ready (may be empty)."""
        if self._in_rate_hz == self._out_rate_hz:
            return pcm.copy()
        if not len(pcm):
            return np.empty((0, self._channels), np.int16)
        if self._resampler is None:
            self._resampler = av.AudioResampler(format="s16", layout=self._layout, rate=self._out_rate_hz)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm).reshape(1, -1), format="s16", layout=self._layout)
        frame.sample_rate = self._in_rate_hz
        frame.pts = self._taken
        frame.time_base = Fraction(1, self._in_rate_hz)
        self._taken += len(pcm)
        return self._collect(self._resampler.resample(frame))

    def finish(self) -> Samples:
        """Return the end of the stream, and be ready for the next one."""
        if self._resampler is None:
            return np.empty((0, self._channels), np.int16)
        tail = self._collect(self._resampler.resample(None))
        due = (self._taken * self._out_rate_hz * 2 + self._in_rate_hz) // (2 * self._in_rate_hz) - self._given
        self._resampler = None
        self._taken = self._given = 0
        exact = np.zeros((len(tail) + due, self._channels), np.int16)
        exact[: len(tail)] = tail[: len(exact)]
        return exact

    def _collect(self, frames: list[av.AudioFrame]) -> Samples:
        parts = [frame.to_ndarray().reshape(-1, self._channels) for frame in frames]
        if not parts:
            return np.empty((0, self._channels), np.int16)
        joined: Samples = np.concatenate(parts)
        self._given += len(joined)
        return joined
