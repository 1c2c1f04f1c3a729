"""How unevenly packets arrive: what a reorder window should be willing to wait."""

from typing import Final

from clankvox.wire.rtp import OPUS_CLOCK_HZ
from clankvox.wire.seq import timestamp_delta

SHORTEST_WAIT_S: Final = 0.020
LONGEST_WAIT_S: Final = 0.060

_LEARNING_PACKETS: Final = 50
"""Until so many packets were seen the longest wait applies: a delay costs less than a lost word."""
_PAUSE_S: Final = 0.250
"""Later than this is a pause in which the sender's RTP clock stood still, not jitter."""
_BASE_LEAK: Final = 0.998
"""How fast the fastest packet is forgotten, so that clock drift does not count as jitter."""
_PEAK_LEAK: Final = 0.998
_HEADROOM: Final = 1.25
_MARGIN_S: Final = 0.010


class ArrivalJitter:
    """Tracks the latest that packets come after their due time, per stream."""

    __slots__ = ("_arrival", "_lateness_s", "_peak_s", "_seen", "_timestamp")

    def __init__(self) -> None:
        self._arrival = 0.0
        self._timestamp = 0
        self._lateness_s = 0.0
        self._peak_s = 0.0
        self._seen = 0

    def observe(self, arrival: float, timestamp: int) -> None:
        """Take note of an authenticated packet, in whatever order it came."""
        if self._seen:
            drift = (arrival - self._arrival) - timestamp_delta(timestamp, self._timestamp) / OPUS_CLOCK_HZ
            lateness = self._lateness_s * _BASE_LEAK + drift
            if not -_PAUSE_S < lateness < _PAUSE_S:
                lateness = 0.0
            elif lateness < 0:  # the fastest so far: all others were later than they seemed
                self._peak_s -= lateness
                lateness = 0.0
            self._lateness_s = lateness
            peak_s = self._peak_s * _PEAK_LEAK
            self._peak_s = max(peak_s, lateness)
        self._arrival = arrival
        self._timestamp = timestamp
        self._seen += 1

    @property
    def peak_s(self) -> float:
        """How late the latest packets are, against the fastest; fades in some 10 s."""
        return self._peak_s

    @property
    def wait_s(self) -> float:
        """How long to wait for a missing packet once a later one is there."""
        if self._seen < _LEARNING_PACKETS:
            return LONGEST_WAIT_S
        return min(max(self._peak_s * _HEADROOM + _MARGIN_S, SHORTEST_WAIT_S), LONGEST_WAIT_S)
