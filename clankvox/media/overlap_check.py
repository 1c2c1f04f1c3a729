"""Whether a source that was opened anew and sought is where it says: its sound must meet what was heard before.

Seeking in a response that cannot be sought (a server without ranges) may fail without an error, and time stamps after
a seek may be estimates. What is decoded before the position anyway is compared with the end of what was delivered.
"""

from collections import deque
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

_COMPARED_SAMPLES: Final = 2_048
_LEAST_CORRELATION: Final = 0.5
"""The same AAC decoded twice differs in its substituted noise; another place of a track does not correlate at all."""
_SILENCE: Final = 1e-4
"""Of full scale: too little to compare."""

_Mono = NDArray[np.float64]


class OverlapCheck:
    """Holds the last frames that were delivered, and those before the position after a seek. Not thread-safe."""

    def __init__(self) -> None:
        self._delivered: deque[av.AudioFrame] = deque()
        self._again: deque[av.AudioFrame] = deque()
        self._again_samples = 0
        self._rate_hz = 0

    def deliver(self, frame: av.AudioFrame) -> None:
        """Remember `frame`, which was delivered up to its end."""
        if frame.sample_rate != self._rate_hz:
            self._delivered.clear()
            self._rate_hz = frame.sample_rate
        _keep(self._delivered, frame)

    def begin(self) -> None:
        """Prepare for a landing."""
        self._again.clear()
        self._again_samples = 0

    def hear_again(self, frame: av.AudioFrame, unwanted: int) -> None:
        """Take a frame of which the first `unwanted` samples lie before the position."""
        _keep(self._again, frame)
        self._again_samples += unwanted

    def fits(self, last_unwanted: int) -> bool:
        """Compare, once the last frame taken reaches the position after its first `last_unwanted` samples."""
        again = _mono(self._again)
        if self._again:
            again = again[: len(again) - (self._again[-1].samples - last_unwanted)]
        before = _mono(self._delivered)
        count = min(len(again), len(before), self._again_samples, _COMPARED_SAMPLES)
        if not count or self._again[-1].sample_rate != self._rate_hz:
            return True
        left, right = before[-count:], again[-count:]
        power = float(np.sqrt(np.mean(left**2) * np.mean(right**2)))
        if power < _SILENCE**2:
            return True
        return float(np.mean(left * right)) >= _LEAST_CORRELATION * power


def _keep(frames: deque[av.AudioFrame], frame: av.AudioFrame) -> None:
    frames.append(frame)
    while sum(each.samples for each in frames) - frames[0].samples >= 2 * _COMPARED_SAMPLES:
        frames.popleft()


def _mono(frames: deque[av.AudioFrame]) -> _Mono:
    """Mean of the channels, full scale 1."""
    if not frames:
        return np.empty(0)
    return np.concatenate([_mean(frame) for frame in frames])


def _mean(frame: av.AudioFrame) -> _Mono:
    samples: NDArray[Any] = frame.to_ndarray()
    scale = float(np.iinfo(samples.dtype).max) if samples.dtype.kind in "iu" else 1.0
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    mean: _Mono = samples.astype(np.float64).mean(axis=0) / scale
    return mean
