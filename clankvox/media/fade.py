"""Gains that move: ramps over time, whether samples flow or not, and the rule that no gain ever jumps."""

from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clankvox.media.pcm import FRAME_SAMPLES, RATE_HZ

Gain = NDArray[np.float32]
"""Gain of each sample, shape (samples,)."""

_JUMP: Final = 1e-3
"""What a ramp of 20 ms does not do from one sample to the next (it does 1/960)."""


class Curve(StrEnum):
    """The way from one gain to another."""

    LINEAR = "linear"
    EQUAL_POWER = "equal_power"
    """The squares of a gain that rises and of one that falls have a constant sum: for two sounds unlike each other."""


class Fade(NamedTuple):
    """A ramp of gain between two instants; before and after it the gain is constant. Seconds of one clock."""

    start: float
    target: float
    begins_s: float
    duration_s: float
    curve: Curve = Curve.LINEAR

    @property
    def ends_s(self) -> float:
        """The first instant at which the gain is the target."""
        return self.begins_s + self.duration_s

    def at(self, now: float) -> float:
        """Gain at one instant."""
        if self.duration_s <= 0.0 or now >= self.ends_s:
            return self.target
        return float(self._gain(np.array([now], np.float64))[0])

    def over(self, first_s: float, samples: int = FRAME_SAMPLES) -> Gain:
        """Gain of each of `samples` at 48 kHz, the first of which sounds at `first_s`."""
        if self.duration_s <= 0.0 or first_s >= self.ends_s:
            return np.full(samples, self.target, np.float32)
        return self._gain(first_s + np.arange(samples) / RATE_HZ)

    def _gain(self, instants_s: NDArray[np.float64]) -> Gain:
        share = np.clip((instants_s - self.begins_s) / self.duration_s, 0.0, 1.0)
        if self.curve is Curve.EQUAL_POWER:
            power = self.start**2 + (self.target**2 - self.start**2) * np.sin(share * np.pi / 2) ** 2
            return np.sqrt(power).astype(np.float32)
        return (self.start + (self.target - self.start) * share).astype(np.float32)


def steady(gain: float) -> Fade:
    """Return a gain that does not move."""
    return Fade(gain, gain, 0.0, 0.0)


class Continuity:
    """Remembers the gain of the last sample, and spreads over one frame what would jump. Not thread-safe."""

    __slots__ = ("last",)

    def __init__(self, last: float | None) -> None:
        self.last = last
        """Gain of the last sample; None: nothing sounded, so whatever comes is no jump."""

    def join(self, wanted: Gain) -> Gain:
        """Return `wanted`, led over from the last gain."""
        jump = 0.0 if self.last is None else self.last - float(wanted[0])
        self.last = float(wanted[-1])
        if abs(jump) <= _JUMP:
            return wanted
        joined: Gain = wanted + np.linspace(jump, 0.0, len(wanted), dtype=np.float32)
        return joined


def apply(gain: Gain, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return stereo `samples` of shape (n, 2) times the first n of `gain`; at unity they are the same to the bit."""
    part = gain[: len(samples)]
    if np.all(part == 1.0):
        return samples
    scaled: NDArray[np.float32] = samples * part[:, np.newaxis]
    return scaled
