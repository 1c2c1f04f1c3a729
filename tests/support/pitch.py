"""Which tone a piece of sound is, and whether it is nothing else."""

import numpy as np

HZ_TOLERANCE = 2.0
PURE = 0.95
WINDOW_S = 0.5
WINDOWS = 2
"""The first half second may have begun before one began to listen, the second one has not."""


def pitch(samples, rate_hz):
    """Frequency by rising zero crossings, and the share of the energy that a sine of that frequency explains."""
    sound = np.asarray(samples, np.float64)
    rising = np.flatnonzero((sound[:-1] < 0) & (sound[1:] >= 0))
    if len(rising) < 2:
        return 0.0, 0.0
    crossings = rising - sound[rising] / (sound[rising + 1] - sound[rising])
    hz = (len(crossings) - 1) * rate_hz / (crossings[-1] - crossings[0])
    angles = 2 * np.pi * hz / rate_hz * np.arange(len(sound))
    explained = (sound @ np.cos(angles)) ** 2 + (sound @ np.sin(angles)) ** 2
    return hz, 2 * explained / (len(sound) * (sound @ sound))


class Ear:
    """Satisfied by a second of one pure tone."""

    def __init__(self, hz):
        self._hz = hz
        self._good = 0

    def take(self, hz, purity):
        """Judge half a second."""
        self._good = self._good + 1 if abs(hz - self._hz) < HZ_TOLERANCE and purity > PURE else 0

    @property
    def satisfied(self):
        return self._good >= WINDOWS
