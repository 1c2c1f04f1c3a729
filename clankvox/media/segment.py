"""What is told of an utterance as a whole, for a recogniser that wants to know before it listens."""

import math
from typing import Final, NamedTuple

from clankvox.media.opus_packet import TICKS_PER_MS
from clankvox.media.signal_meter import Signal
from clankvox.media.voice_activity import Activity

FULL_SCALE: Final = 32_768
SILENT_DBFS: Final = -100.0


class Segment(NamedTuple):
    """One utterance as delivered. `start` and `end` are 48 kHz ticks of the process's timeline."""

    start: int
    end: int
    speech_ms: int
    peak: int
    """Largest magnitude, 0..32768."""
    mean_level_dbfs: float
    """Root mean square over the whole of it, 0 being a full-scale square wave."""


class SegmentMeter:
    """Sums up one utterance. Not thread-safe."""

    __slots__ = ("_end", "_peak", "_samples", "_speech_ticks", "_square_sum", "_start")

    def __init__(self) -> None:
        self._start: int | None = None
        self._end = 0
        self._speech_ticks = 0
        self._peak = 0
        self._square_sum = 0.0
        self._samples = 0

    def add(self, start: int, duration_ticks: int, signal: Signal, activity: Activity) -> None:
        """Add a stretch of PCM that begins at `start`."""
        if self._start is None:
            self._start = start
        self._end = max(self._end, start + duration_ticks)
        self._speech_ticks += activity.speech_ticks
        self._peak = max(self._peak, signal.peak)
        self._square_sum += activity.square_sum
        self._samples += signal.total

    def finish(self) -> Segment | None:
        """Return the sum, None if nothing was added."""
        if self._start is None:
            return None
        speech_ms = self._speech_ticks // TICKS_PER_MS
        return Segment(self._start, self._end, speech_ms, self._peak, level_dbfs(self._square_sum, self._samples))


def level_dbfs(square_sum: float, samples: int) -> float:
    """Return the level of `samples` int16 samples whose squares sum up to that; at least SILENT_DBFS."""
    mean_square = square_sum / samples if samples else 0.0
    if mean_square <= 0.0:
        return SILENT_DBFS
    return max(10.0 * math.log10(mean_square / FULL_SCALE**2), SILENT_DBFS)
