"""How loud PCM is, in the three numbers that travel with it."""

from typing import Final, NamedTuple

import numpy as np

from clankvox.media.pcm import Mono

ACTIVE_ABOVE: Final = 500
"""A sample counts as active if its magnitude exceeds this."""
_USUAL_SAMPLES: Final = 6_144


class Signal(NamedTuple):
    """Statistics of one stretch of PCM."""

    peak: int
    """Largest magnitude, 0..32768."""
    active: int
    """Samples with a magnitude above ACTIVE_ABOVE."""
    total: int


class SignalMeter:
    """Measures without leaving a trace of the PCM in memory. Not thread-safe."""

    __slots__ = ("_magnitudes",)

    def __init__(self) -> None:
        self._magnitudes = np.zeros(_USUAL_SAMPLES, np.int16)

    def measure(self, pcm: Mono) -> Signal:
        """Measure int16 mono samples."""
        total = len(pcm)
        if not total:
            return Signal(0, 0, 0)
        if total > len(self._magnitudes):
            self._magnitudes = np.zeros(total, np.int16)
        scratch = self._magnitudes[:total]
        np.abs(pcm, out=scratch)
        magnitudes = scratch.view(np.uint16)  # |-32768| does not fit int16, its bits read as unsigned do
        signal = Signal(int(magnitudes.max()), int(np.count_nonzero(magnitudes > ACTIVE_ABOVE)), total)
        scratch.fill(0)
        return signal
