"""A soft limiter for the last step before the encoder: nothing clips, and what is quiet enough is not touched."""

from functools import reduce
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clankvox.media.pcm import FRAME_SAMPLES, Stereo

FULL_SCALE: Final = 32767.0
THRESHOLD: Final = FULL_SCALE * 10 ** (-1 / 20)
"""-1 dBFS: below it the limiter changes nothing."""
_KNEE: Final = FULL_SCALE - THRESHOLD
_ATTACK_SAMPLES: Final = 96
"""The gain falls over at least 2 ms, so that it makes no click; what it misses, the knee bends."""
_RELEASE_PER_FRAME: Final = 0.1
"""Share of the way back to unity per 20 ms: about 200 ms, slower than the pitch of any voice."""
_UNITY: Final = 0.999


class SoftLimiter:
    """Turns the level down for as long as needed, and bends the peaks that come before that. Not thread-safe.

    It adds no delay: a frame is looked at as a whole before its gain is drawn. Both channels share one gain, so
    that the stereo image stays.
    """

    __slots__ = ("_gain", "limited_frames")

    def __init__(self) -> None:
        self._gain = 1.0
        self.limited_frames = 0
        """Frames that were changed."""

    def process(self, frame: NDArray[np.float32] | Stereo) -> Stereo:
        """Return `frame` of shape (960, channels) as int16 within full scale.

        Float samples are in units of int16, and may be over its range. Where all is below -1 dBFS, and has been for
        a while, the samples are only rounded; int16 ones come back as they are, in the same array.
        """
        if len(frame) != FRAME_SAMPLES:
            raise ValueError("a frame has 960 samples per channel")
        peak = max(float(frame.max()), -float(frame.min()))
        if peak <= THRESHOLD and self._gain == 1.0:
            exact = frame if frame.dtype == np.int16 else np.rint(frame)
            return exact.astype(np.int16, copy=False)
        self.limited_frames += 1
        target = min(self._released(), THRESHOLD / max(peak, 1.0))
        scaled = frame * self._draw_gain(_level(frame), target)[:, np.newaxis]
        self._gain = target
        return np.rint(_bend(scaled)).astype(np.int16)

    def reset(self) -> None:
        """Begin a new stream."""
        self._gain = 1.0

    def _released(self) -> float:
        gain = self._gain + (1.0 - self._gain) * _RELEASE_PER_FRAME
        return gain if gain < _UNITY else 1.0

    def _draw_gain(self, level: NDArray[np.float32], target: float) -> NDArray[np.float32]:
        """Gain of each sample: from the last frame's to `target`, and there by the first sample that is too loud."""
        ramp_samples = FRAME_SAMPLES
        if target < self._gain:
            first_too_loud = int(np.argmax(level * self._gain > THRESHOLD))
            ramp_samples = max(first_too_loud, _ATTACK_SAMPLES)
        gain = np.full(FRAME_SAMPLES, target, np.float32)
        gain[:ramp_samples] = np.linspace(self._gain, target, ramp_samples, dtype=np.float32)
        return gain


def _level(frame: NDArray[np.float32] | Stereo) -> NDArray[np.float32]:
    """Return the level of each sample, the louder channel's; a reduction over the short axis takes 40 times as long."""
    louder: NDArray[np.float32] = reduce(np.maximum, np.abs(frame.astype(np.float32)).T)
    return louder


def _bend(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bend what is over the threshold towards full scale, which it never exceeds."""
    level = np.abs(samples)
    bent = np.where(level > THRESHOLD, THRESHOLD + _KNEE * np.tanh((level - THRESHOLD) / _KNEE), level)
    return np.copysign(bent, samples)
