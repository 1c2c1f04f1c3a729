"""What the SFU sees of one sender's RTP stream: how many packets, how evenly, and whether any was in clear."""

from typing import Final

from clankvox.wire.dave_frame import is_dave_frame
from clankvox.wire.rtp import SILENCE_FRAME, RtpHeader
from clankvox.wire.seq import seq_delta, timestamp_delta

_FRAME_TICKS: Final = 960
"""20 ms at the Opus clock."""
_LONG_GAP_S: Final = 0.035
_BURST_GAP_S: Final = 0.005


class StreamStatistics:
    """Counters of one SSRC. Arrival instants are seconds on the SFU's receive clock."""

    __slots__ = (
        "_last",
        "_last_silent",
        "burst_pairs",
        "bytes",
        "dave_frames",
        "first_arrival_s",
        "last_arrival_s",
        "late_packets",
        "long_gaps",
        "max_gap_s",
        "missing_packets",
        "packets",
        "plaintext_frames",
        "plaintext_in_transition",
        "silence_frames",
        "timestamp_anomalies",
    )

    def __init__(self) -> None:
        self.packets = 0
        self.bytes = 0
        self.first_arrival_s = 0.0
        self.last_arrival_s = 0.0
        self.max_gap_s = 0.0
        self.long_gaps = 0
        self.burst_pairs = 0
        self.missing_packets = 0
        self.late_packets = 0
        self.timestamp_anomalies = 0
        self.dave_frames = 0
        self.silence_frames = 0
        self.plaintext_frames = 0
        self.plaintext_in_transition = 0
        self._last: RtpHeader | None = None
        self._last_silent = False

    def arrived(self, header: RtpHeader, payload: bytes, arrival_s: float) -> None:
        """Note a packet: gaps are measured between frames that follow each other within a talkspurt."""
        last = self._last
        self.packets += 1
        self.bytes += len(payload)
        if last is None:
            self.first_arrival_s = arrival_s
        else:
            steps = seq_delta(header.sequence, last.sequence)
            if steps <= 0:
                self.late_packets += 1
                return
            self.missing_packets += steps - 1
            ticks = timestamp_delta(header.timestamp, last.timestamp)
            if steps == 1 and payload:
                self._follow(ticks, arrival_s - self.last_arrival_s)
        self.last_arrival_s = arrival_s
        self._last = header
        self._last_silent = payload == SILENCE_FRAME

    def _follow(self, ticks: int, gap_s: float) -> None:
        if ticks <= 0 or ticks % _FRAME_TICKS:
            self.timestamp_anomalies += 1
        # after the silence that ends a talkspurt some clients let the timestamp stand still for the pause
        if ticks == _FRAME_TICKS and not self._last_silent:
            self.max_gap_s = max(self.max_gap_s, gap_s)
            self.long_gaps += gap_s > _LONG_GAP_S
            self.burst_pairs += gap_s < _BURST_GAP_S

    def watch(self, frame: bytes, *, encryption_due: bool, in_transition: bool) -> None:
        """Classify an Opus frame: encrypted end to end, the silence that may be clear, or plaintext."""
        if frame == SILENCE_FRAME:
            self.silence_frames += 1
        elif is_dave_frame(frame):
            self.dave_frames += 1
        elif encryption_due and frame:
            if in_transition:
                self.plaintext_in_transition += 1
            else:
                self.plaintext_frames += 1

    def report(self) -> dict[str, object]:
        """Return the counters for `stats`, durations in ms."""
        return {
            "packets": self.packets,
            "bytes": self.bytes,
            "firstArrivalMs": round(self.first_arrival_s * 1000, 3),
            "lastArrivalMs": round(self.last_arrival_s * 1000, 3),
            "maxGapMs": round(self.max_gap_s * 1000, 3),
            "gapsOver35Ms": self.long_gaps,
            "gapsUnder5Ms": self.burst_pairs,
            "seqGaps": self.missing_packets,
            "seqLate": self.late_packets,
            "timestampAnomalies": self.timestamp_anomalies,
            "daveFrames": self.dave_frames,
            "silenceFrames": self.silence_frames,
            "plaintextFrames": self.plaintext_frames,
            "plaintextInTransition": self.plaintext_in_transition,
        }
