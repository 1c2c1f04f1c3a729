"""When a user's sound was made, on one timeline for the whole process.

The timeline counts 48 kHz ticks of the process's own monotonic clock, so two speakers are compared without any
clock of theirs. A sender's RTP time tells how its frames follow each other within a talkspurt (RFC 3550 section
5.1); where in real time the talkspurt stands only arrivals tell, and what a sender does to its timestamps over a
pause is its own affair. So the clock is anchored to the arrival after each pause, then follows the least delayed
packets: they are what jitter leaves of the truth, and by them a sender's clock is seen to run fast or slow.
"""

from typing import Final

from clankvox.media.opus_packet import TICKS_PER_MS
from clankvox.wire.rtp import OPUS_CLOCK_HZ
from clankvox.wire.seq import timestamp_delta

_PAUSE_TICKS: Final = 250 * TICKS_PER_MS
"""So far off, RTP time and arrival cannot belong to one talkspurt; the jitter estimate draws the same line."""
_QUIET_PAUSE_TICKS: Final = 80 * TICKS_PER_MS
"""After a silence frame a shorter gap is enough: senders end a talkspurt with five of them."""
_LONGEST_TALK_GAP_TICKS: Final = 1_000 * TICKS_PER_MS
_WINDOW_TICKS: Final = 1_000 * TICKS_PER_MS
"""Of so much speech the least delayed packet is looked for."""
_SETTLING_TICKS: Final = 400 * TICKS_PER_MS
"""The same right after a pause, where the anchor itself may be off by the delay of one packet."""
_MOST_SKEW_SEEN_TICKS: Final = 2 * TICKS_PER_MS
"""More than this in one window is jitter or another path, no clock."""
_WINDOWS_BEFORE_SKEW: Final = 2
"""What is left of a bad anchor is no clock either."""
_LONGEST_DELAY_TICKS: Final = 60 * TICKS_PER_MS
_SLEW: Final = 0.05
"""A correction shortens or stretches the step from frame to frame by no more, so that time never runs back."""
_FOLLOW: Final = 0.5
_SKEW_FOLLOW: Final = 0.01
_MOST_SKEW: Final = 1e-3
_DELAY_FOLLOW: Final = 0.1
_UNSEEN: Final = float("inf")


class MediaClock:
    """One user's clock. Not thread-safe; a few hundred nanoseconds of arithmetic a frame."""

    __slots__ = (
        "_arrival",
        "_end",
        "_least",
        "_owed",
        "_quiet",
        "_start",
        "_timestamp",
        "_usual_delay",
        "_window",
        "_windows",
        "skew",
    )

    def __init__(self) -> None:
        self.skew = 0.0
        """By what fraction the sender's clock is slow; kept over pauses."""
        self._start: float | None = None
        self._timestamp = 0
        self._end = 0.0
        self._arrival = 0.0
        self._quiet = False
        self._owed = 0.0
        self._window = 0
        self._least = _UNSEEN
        self._windows = 0
        self._usual_delay = 0.0

    def stamp(self, timestamp: int, arrival: float, duration_ticks: int, *, quiet: bool, begins: bool) -> int:
        """Return where a frame begins, in ticks; call once a frame, in the order of sending.

        `arrival` in seconds of the clock; a packet is sent when its last sample is there, hence the duration counts
        off. `quiet` says that it is a silence frame, `begins` that nothing before it is comparable.
        """
        made = arrival * OPUS_CLOCK_HZ - duration_ticks
        step = timestamp_delta(timestamp, self._timestamp)
        if self._start is None or begins or self._paused(made, step):
            start = max(made - self._usual_delay, self._end)
            self._windows, self._window, self._least, self._owed = 0, 0, _UNSEEN, 0.0
        else:
            start = self._start + step * (1.0 + self.skew)
            start += self._slewed(step)
            self._observe(made - start, step)
        self._start, self._timestamp = start, timestamp
        self._end = start + duration_ticks
        self._arrival, self._quiet = made, quiet
        return round(start)

    def _paused(self, made: float, step: int) -> bool:
        assert self._start is not None  # noqa: S101 - the caller has looked
        waited = made - self._arrival
        if step <= 0 or step > _LONGEST_TALK_GAP_TICKS or waited > _LONGEST_TALK_GAP_TICKS:
            return True
        if self._quiet and waited > _QUIET_PAUSE_TICKS:
            return True
        return abs(made - self._start - step) > _PAUSE_TICKS

    def _slewed(self, step: int) -> float:
        """Pay off a part of what is owed."""
        most = step * _SLEW
        paid = min(max(self._owed, -most), most)
        self._owed -= paid
        self._least -= paid  # seen from where the clock stands now
        return paid

    def _observe(self, lateness: float, step: int) -> None:
        """Take note of how late a packet was by this clock, and correct the clock by the least late one of many."""
        self._usual_delay += _DELAY_FOLLOW * step / _WINDOW_TICKS * (self._delay(lateness) - self._usual_delay)
        self._least = min(self._least, lateness)
        self._window += step
        if not self._windows:  # the anchor may have been late: whatever comes earlier proves it at once
            self._owed = min(self._owed, lateness)
        if self._window < (_WINDOW_TICKS if self._windows else _SETTLING_TICKS):
            return
        self._owed = _FOLLOW * self._least if self._windows else self._least
        if self._windows >= _WINDOWS_BEFORE_SKEW and abs(self._least) < _MOST_SKEW_SEEN_TICKS:
            skew = self.skew + _SKEW_FOLLOW * self._least / _WINDOW_TICKS
            self.skew = min(max(skew, -_MOST_SKEW), _MOST_SKEW)
        self._windows, self._window, self._least = self._windows + 1, 0, _UNSEEN

    @staticmethod
    def _delay(lateness: float) -> float:
        return min(max(lateness, 0.0), _LONGEST_DELAY_TICKS)
