"""Which decoded pictures are worth a JPEG: so many a second and no more, the first one always.

Counted is the sender's time. Pictures that waited for a retransmission come in a bunch, and by the time of their
arrival most of them would be too early.
"""

from typing import Final

from clankvox.wire.rtp import VIDEO_CLOCK_HZ
from clankvox.wire.seq import timestamp_delta

_EARLY_S: Final = 0.020
_EARLY_SHARE: Final = 0.5
"""Of the interval, if that is less. So early a picture may be, else a source of just the wanted rate would lose those
that it takes a little late. The rate holds all the same: what is early for one is so for all that follow."""
_BUNCHED_S: Final = 0.100
"""So much closer than wanted pictures may come: those who want few look at the time at which they get them."""
_ASTRAY_S: Final = 0.5
"""A sender's clock that is so far from ours jumped, or lies."""


class PictureGate:
    """Admits pictures of one stream at a rate. Not thread-safe."""

    def __init__(self) -> None:
        self._due = float("-inf")
        self._arrival_due = float("-inf")
        self._anchor: tuple[int, float] | None = None
        """An RTP timestamp and its time by our clock."""

    def admit(self, max_per_second: int, rtp_timestamp: int, arrival: float) -> bool:
        """Whether the picture is to be shown; if so it is counted. `arrival` in seconds of the clock."""
        media_s = self._media_time(rtp_timestamp, arrival)
        if media_s < self._due or arrival < self._arrival_due:
            return False
        interval_s = 1.0 / max_per_second
        self._due = max(self._due, media_s - min(_EARLY_S, _EARLY_SHARE * interval_s)) + interval_s
        self._arrival_due = arrival + interval_s - _BUNCHED_S
        return True

    def _media_time(self, rtp_timestamp: int, arrival: float) -> float:
        """When the picture was made, in seconds of our clock as far as that can be known."""
        if self._anchor is not None:
            timestamp, instant = self._anchor
            media_s = instant + timestamp_delta(rtp_timestamp, timestamp) / VIDEO_CLOCK_HZ
            if abs(media_s - arrival) <= _ASTRAY_S:
                self._anchor = rtp_timestamp, media_s
                return media_s
        self._anchor = rtp_timestamp, arrival
        return arrival
