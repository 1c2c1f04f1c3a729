"""By how much a sender's clock is slow or fast, from the least delayed of its packets over time.

The delay of a packet is never negative and often almost nothing, so the least delayed packet of each second lies close
to a straight line over the sender's own time, whose slope is the skew (V. Paxson, "On Calibrating Measurements of
Packet Transit Times", 1998, uses the same minima). A least-squares line through these points says how sure it is.
"""

import math
from typing import Final, NamedTuple

from clankvox.media.opus_packet import TICKS_PER_MS

MOST_SKEW: Final = 1e-3
_USUAL_SKEW: Final = 100e-6
"""What crystals are good for."""
_BEST_KNOWN: Final = 5e-6
"""Temperature moves a crystal by that much, however long it is watched."""
_MOST_POINTS: Final = 32
_LONGEST_TICKS: Final = 900_000 * TICKS_PER_MS
_LEAST_NOISE_TICKS: Final = 0.1 * TICKS_PER_MS


class Point(NamedTuple):
    """Packets with little delay: when they were made by their sender's clock, and how far ours was ahead of that."""

    sent: float
    offset: float
    packets: int = 1


class ClockSkew:
    """One sender's skew, learned over stretches in which its RTP time ran on. Not thread-safe; at most 32 points."""

    __slots__ = ("_grain", "_learned", "_learned_variance", "_points", "_variance", "doubt", "value")

    def __init__(self) -> None:
        self.value = 0.0
        """The fraction by which the sender's clock is slow."""
        self.doubt = 0.0
        """By how much `value` may be wrong: two standard deviations."""
        self._believe(_USUAL_SKEW**2)
        self._learned, self._learned_variance = self.value, self._variance
        self._points: list[Point] = []
        self._grain = 1
        """Packets that are joined to one point; twice as many whenever the points become too many."""

    def begin(self) -> None:
        """Begin another stretch: RTP time was set anew, and offsets are not comparable with those before."""
        self._learned, self._learned_variance = self.value, self._variance
        self._points.clear()
        self._grain = 1

    def forget(self) -> None:
        """Unlearn this stretch: RTP time did not run on in it."""
        self.value = self._learned
        self._believe(self._learned_variance)

    def add(self, point: Point) -> None:
        """Take the least delayed packet of about a second."""
        if self._points and self._points[-1].packets < self._grain:
            self._points[-1] = _midpoint(self._points[-1], point)
        else:
            self._points.append(point)
        while point.sent - self._points[0].sent > _LONGEST_TICKS:
            self._points.pop(0)
        if len(self._points) > 3:
            self._fit()
        if len(self._points) >= _MOST_POINTS:
            pairs = zip(self._points[::2], self._points[1::2], strict=True)
            self._points = [_midpoint(*pair) for pair in pairs]
            self._grain *= 2

    def _fit(self) -> None:
        """Join the slope of this stretch with what was known before, each by its certainty."""
        packets = sum(point.packets for point in self._points)
        mean_sent = sum(point.packets * point.sent for point in self._points) / packets
        mean_offset = sum(point.packets * point.offset for point in self._points) / packets
        away = [(point.packets, point.sent - mean_sent, point.offset - mean_offset) for point in self._points]
        spread = sum(weight * sent**2 for weight, sent, _ in away)
        slope = sum(weight * sent * offset for weight, sent, offset in away) / spread
        noise = sum(weight * (offset - slope * sent) ** 2 for weight, sent, offset in away)
        variance = max(noise / (len(away) - 2), _LEAST_NOISE_TICKS**2) / spread
        trust = self._learned_variance / (self._learned_variance + variance)
        value = self._learned + trust * (slope - self._learned)
        self.value = min(max(value, -MOST_SKEW), MOST_SKEW)
        self._believe(max((1.0 - trust) * self._learned_variance, _BEST_KNOWN**2))

    def _believe(self, variance: float) -> None:
        self._variance = variance
        self.doubt = 2.0 * math.sqrt(variance)


def _midpoint(a: Point, b: Point) -> Point:
    packets = a.packets + b.packets
    sent = (a.packets * a.sent + b.packets * b.sent) / packets
    return Point(sent, (a.packets * a.offset + b.packets * b.offset) / packets, packets)
