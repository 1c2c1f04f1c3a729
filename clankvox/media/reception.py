"""What the receiver of a stream reports of it (RFC 3550 section 6.4.1, appendices A.3 and A.8)."""

from typing import Final

from clankvox.ids import Ssrc
from clankvox.wire.rtcp import ReportBlock, SenderReport
from clankvox.wire.rtp import VIDEO_CLOCK_HZ
from clankvox.wire.seq import seq_delta, timestamp_delta

_LARGEST_LOSS: Final = 0x7F_FFFF
_JITTER_GAIN: Final = 16
_MOST_JITTER_TICKS: Final = VIDEO_CLOCK_HZ
"""More is a pause in which the sender's clock stood still: of some days it would not fit the report's 32 bits."""
_RESTART_PACKETS: Final = 3_000
_SEQUENCE_MASK: Final = 0xFFFF


class Reception:
    """Statistics of one SSRC; retransmissions are not part of them (RFC 4588 section 6.3). Not thread-safe."""

    def __init__(self, ssrc: Ssrc) -> None:
        self.ssrc = ssrc
        self._received = 0
        self._first: int | None = None
        self._highest = 0
        """Extended by the cycles of the 16-bit number."""
        self._jitter_ticks = 0.0
        self._arrival_ticks: float | None = None
        self._timestamp = 0
        self._expected_before = 0
        self._received_before = 0
        self._last_sr = 0
        self._last_sr_at = 0.0

    def observe(self, sequence: int, timestamp: int, arrival: float) -> None:
        """Take note of a packet of the media stream, in whatever order it came."""
        if self._first is None:
            self._first = self._highest = sequence
        else:
            ahead = seq_delta(sequence, self._highest & _SEQUENCE_MASK)
            if abs(ahead) > _RESTART_PACKETS:
                self._begin_anew(sequence)
            elif ahead > 0:
                self._highest += ahead
        self._received += 1
        self._observe_jitter(timestamp, arrival)

    def on_sender_report(self, report: SenderReport, now: float) -> None:
        """Take the sender's report: ours says how long ago it came, which gives the sender its round trip time."""
        self._last_sr = report.ntp >> 16 & 0xFFFF_FFFF
        self._last_sr_at = now

    def block(self, now: float) -> ReportBlock | None:
        """Return what to report, None if nothing came since the last call."""
        if self._first is None or self._received == self._received_before:
            return None
        expected = self._highest - self._first + 1
        interval = expected - self._expected_before
        lost = max(interval - (self._received - self._received_before), 0)
        self._expected_before, self._received_before = expected, self._received
        return ReportBlock(
            ssrc=self.ssrc,
            fraction_lost=min((lost << 8) // interval, 0xFF) if interval > 0 else 0,
            cumulative_lost=min(max(expected - self._received, -_LARGEST_LOSS), _LARGEST_LOSS),
            highest_sequence=self._highest & 0xFFFF_FFFF,
            jitter=int(self._jitter_ticks),
            last_sr=self._last_sr,
            delay_since_last_sr=int((now - self._last_sr_at) * 65_536) & 0xFFFF_FFFF if self._last_sr else 0,
        )

    def _begin_anew(self, sequence: int) -> None:
        self._first = self._highest = sequence
        self._received = self._received_before = self._expected_before = 0
        self._arrival_ticks = None

    def _observe_jitter(self, timestamp: int, arrival: float) -> None:
        """Packets of one picture share a timestamp, so that their spread counts as jitter too, as everywhere."""
        now_ticks = arrival * VIDEO_CLOCK_HZ
        if self._arrival_ticks is not None:
            change = now_ticks - self._arrival_ticks - timestamp_delta(timestamp, self._timestamp)
            self._jitter_ticks += (min(abs(change), _MOST_JITTER_TICKS) - self._jitter_ticks) / _JITTER_GAIN
        self._arrival_ticks = now_ticks
        self._timestamp = timestamp
