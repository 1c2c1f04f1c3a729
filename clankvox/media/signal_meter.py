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
    """Measures without leaving a trace of the PCM in memory. Not thread-safe.

    Runs once a packet, so each numpy call counts: argmax and count are half as dear as max and count_nonzero.
    """

    __slots__ = ("_magnitudes", "_unsigned")

    def __init__(self) -> None:
        self._allocate(_USUAL_SAMPLES)

    def measure(self, pcm: Mono) -> Signal:
        """Measure int16 mono samples."""
        total = len(pcm)
        if not total:
            return Signal(0, 0, 0)
        if total > len(self._magnitudes):
            self._allocate(total)
        scratch = self._magnitudes[:total]
        np.absolute(pcm, scratch)
        magnitudes = self._unsigned[:total]
        active = (magnitudes > ACTIVE_ABOVE).tobytes().count(1)
        signal = Signal(int(magnitudes[magnitudes.argmax()]), active, total)
        scratch.fill(0)
        return signal

    def _allocate(self, samples: int) -> None:
        self._magnitudes = np.zeros(samples, np.int16)
        self._unsigned = self._magnitudes.view(np.uint16)  # |-32768| does not fit int16; its bits read so do
