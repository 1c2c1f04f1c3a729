"""Sender reports: which instant of one wall clock an RTP timestamp is (RFC 3550 section 6.4.1).

Audio and video of a stream share one ReportClock; that is what lets a viewer play them in sync.
"""

from typing import Final

from clankvox.ids import Ssrc
from clankvox.wire.rtcp import SenderReport
from clankvox.wire.seq import timestamp_add

REPORT_INTERVAL_S: Final = 1.0
_UNIX_EPOCH_NTP_S: Final = 2_208_988_800
"""Seconds from 1900 to 1970 (RFC 5905)."""


class ReportClock:
    """Translates instants of the monotonic clock into NTP time, with one offset for the life of the process."""

    def __init__(self, unix_ms: int, now: float) -> None:
        """Take the wall clock's `unix_ms` at the monotonic instant `now` (seconds)."""
        self._offset_s = unix_ms / 1000.0 + _UNIX_EPOCH_NTP_S - now

    def ntp(self, instant_s: float) -> int:
        """NTP time of a monotonic instant, as 32.32 fixed point."""
        return round((instant_s + self._offset_s) * (1 << 32)) & 0xFFFF_FFFF_FFFF_FFFF


class SentTally:
    """What has left of one SSRC, and the timestamp of an instant. Written by the pacer thread, read by any."""

    __slots__ = ("_anchor", "_clock_hz", "_ssrc", "octets", "packets")

    def __init__(self, ssrc: Ssrc, clock_hz: int) -> None:
        self._ssrc = ssrc
        self._clock_hz = clock_hz
        self._anchor: tuple[int, float] | None = None
        self.packets = 0
        self.octets = 0

    def note(self, payload_octets: int, timestamp: int, instant_s: float) -> None:
        """Count a packet that has left; what it carries is to be seen or heard at `instant_s`."""
        self.packets += 1
        self.octets += payload_octets
        self._anchor = (timestamp, instant_s)

    def report(self, clock: ReportClock, now: float) -> SenderReport | None:
        """Return the report that is true at `now`; None before the first packet."""
        anchor = self._anchor
        if anchor is None:
            return None
        timestamp, instant_s = anchor
        rtp = timestamp_add(timestamp, round((now - instant_s) * self._clock_hz))
        packets, octets = self.packets & 0xFFFF_FFFF, self.octets & 0xFFFF_FFFF
        return SenderReport(self._ssrc, clock.ntp(now), rtp, packets, octets)
