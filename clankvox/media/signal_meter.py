"""How loud PCM is, in the three numbers that travel with it."""

from typing import Final, NamedTuple

import numpy as np

from clankvox.media.pcm import Mono

ACTIVE_ABOVE: Final = 500
"""A sample counts as active if its magnitude exceeds this."""
_THRESHOLD: Final = np.array(ACTIVE_ABOVE, np.uint16)


class Signal(NamedTuple):
    """Statistics of one stretch of PCM."""

    peak: int
    """Largest magnitude, 0..32768."""
    active: int
    """Samples with a magnitude above ACTIVE_ABOVE."""
    total: int


class SignalMeter:
    """Measures without leaving a trace of the PCM in memory. Not thread-safe.

    Runs once a packet, so each numpy call counts: argmax is a quarter of max, a threshold that is an array half of one
    that is a number, and most stretches are as long as the one before.
    """

    __slots__ = ("_above", "_flags", "_magnitudes", "_total", "_unsigned")

    def __init__(self) -> None:
        self._allocate(0)

    def measure(self, pcm: Mono) -> Signal:
        """Measure int16 mono samples."""
        total = len(pcm)
        if not total:
            return Signal(0, 0, 0)
        if total != self._total:
            self._allocate(total)
        magnitudes = self._unsigned
        np.absolute(pcm, self._magnitudes)
        np.greater(magnitudes, _THRESHOLD, self._above)
        signal = Signal(magnitudes.item(magnitudes.argmax()), self._flags.count(1), total)
        self._magnitudes.fill(0)
        self._above.fill(0)
        return signal

    def _allocate(self, samples: int) -> None:
        self._total = samples
        self._magnitudes = np.zeros(samples, np.int16)
        self._unsigned = self._magnitudes.view(np.uint16)  # |-32768| does not fit int16; its bits read so do
        self._flags = bytearray(samples)  # counts its ones in one call, numpy in three
        self._above = np.frombuffer(self._flags, np.bool_)
