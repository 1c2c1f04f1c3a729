"""Whether PCM is speech, by its energy over a noise floor that is learned.

Speech has gaps between words and syllables, in which only the room is heard; noise has none. So the quietest 10 ms
of the last two seconds tell the noise (minimum statistics), and what stands clearly above them is speech.
"""

from collections import deque
from typing import Final, NamedTuple

import numpy as np

from clankvox.media.opus_packet import TICKS_PER_MS
from clankvox.media.pcm import Mono

_BLOCKS_A_SECOND: Final = 100
_BLOCK_TICKS: Final = 10 * TICKS_PER_MS
_ABOVE_FLOOR_DB: Final = 9.0
_QUIETEST_SPEECH_DBFS: Final = -50.0
_DIGITAL_SILENCE_DBFS: Final = -75.0
"""No room is so quiet: what is, was put there by a codec or a noise gate, and says nothing of the noise."""
_HISTORY_TICKS: Final = 2_000 * TICKS_PER_MS
_FULL_SCALE_SQUARE: Final = 32_768.0**2
_USUAL_SAMPLES: Final = 6_144


class Activity(NamedTuple):
    """What was found in one stretch of PCM."""

    speech_ticks: int
    """Time that is speech, in 48 kHz ticks."""
    square_sum: float
    """Sum of the squares of all samples."""


class VoiceActivity:
    """Judges one user's PCM and learns the noise behind it. Leaves no trace of the PCM. Not thread-safe."""

    __slots__ = ("_floor_dbfs", "_lowest", "_scratch", "_starts", "_starts_of", "_ticks")

    def __init__(self) -> None:
        self._scratch = np.zeros(_USUAL_SAMPLES, np.float32)
        self._starts = np.zeros(0, np.intp)
        self._starts_of = (0, 0)
        # Levels that nothing newer is below, rising, each with its end: the first one is the quietest of the history.
        self._lowest: deque[tuple[float, int]] = deque()
        self._ticks = 0
        self._floor_dbfs = _DIGITAL_SILENCE_DBFS

    def judge(self, pcm: Mono, sample_rate_hz: int) -> Activity:
        """Judge int16 mono samples that follow the ones before."""
        block = min(max(sample_rate_hz // _BLOCKS_A_SECOND, 1), len(pcm))
        if not block:
            return Activity(0, 0.0)
        energies = self._energies(pcm, block)
        levels = 10.0 * np.log10(energies / (block * _FULL_SCALE_SQUARE) + 1e-10)
        block_ticks = block * _BLOCK_TICKS * _BLOCKS_A_SECOND // sample_rate_hz
        self._learn(float(levels.min()), len(levels) * block_ticks)
        speech = int((levels > max(self._floor_dbfs + _ABOVE_FLOOR_DB, _QUIETEST_SPEECH_DBFS)).sum())
        return Activity(speech * block_ticks, float(energies.sum()))

    def _energies(self, pcm: Mono, block: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Sum the squares of each block; what is left over at the end counts to the last one."""
        total = len(pcm)
        if total > len(self._scratch):
            self._scratch = np.zeros(total, np.float32)
        scratch = self._scratch[:total]
        np.multiply(pcm, pcm, out=scratch, dtype=np.float32)
        if self._starts_of != (total, block):
            self._starts_of = (total, block)
            self._starts = np.arange(0, total - block + 1, block)
        energies = np.add.reduceat(scratch, self._starts, dtype=np.float64)
        scratch.fill(0)
        return energies

    def _learn(self, quietest_dbfs: float, ticks: int) -> None:
        if quietest_dbfs < _DIGITAL_SILENCE_DBFS:
            return
        self._ticks += ticks
        lowest = self._lowest
        while lowest and lowest[-1][0] >= quietest_dbfs:
            lowest.pop()
        lowest.append((quietest_dbfs, self._ticks))
        while self._ticks - lowest[0][1] >= _HISTORY_TICKS:
            lowest.popleft()
        if self._ticks >= _HISTORY_TICKS:
            self._floor_dbfs = lowest[0][0]
