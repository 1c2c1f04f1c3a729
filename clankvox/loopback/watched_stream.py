"""One video that a watching member sees: what came of its packets and pictures, and when it needs a key frame."""

from collections import Counter, deque
from statistics import median
from typing import Final

from clankvox.ids import Ssrc, UserId
from clankvox.loopback import h264_payload, vp8_payload
from clankvox.loopback.member_engine import VideoCodec
from clankvox.loopback.picture_decoder import Decoded
from clankvox.loopback.video_inlet import VideoInlet
from clankvox.wire.rtcp import ReportBlock, SenderReport
from clankvox.wire.seq import timestamp_delta

_PLI_AGAIN_S: Final = 0.5
_KEPT: Final = 300
_CLOCK_HZ: Final = 90_000


class WatchedStream:
    """Counters, the need of a key frame, and report blocks of one primary SSRC. The event loop owns it."""

    def __init__(self, user_id: UserId, ssrc: int, codec: VideoCodec, hold_s: float, now: float) -> None:
        """Begin without a picture, so a key frame is needed."""
        self.user_id, self.ssrc, self.codec = user_id, Ssrc(ssrc), codec
        self.inlet = VideoInlet(codec, hold_s)
        self.pictures: Counter[str] = Counter()
        self.size: tuple[int, int] | None = None
        self.first_decoded_s: float | None = None
        self._is_key = h264_payload.is_key if codec == "H264" else vp8_payload.is_key
        self._waiting_since_s: float | None = now
        self._pli_at_s = float("-inf")
        self._recoveries_s: deque[float] = deque(maxlen=_KEPT)
        self._latencies_s: deque[float] = deque(maxlen=_KEPT)
        self._seen: set[int] = set()
        self._last_decoded_s: float | None = None
        self._longest_freeze_s = 0.0
        self._transit: int | None = None
        self._jitter = 0.0
        self._reported = (0, 0)
        self._last_report: tuple[int, float] | None = None

    def arrived(self, timestamp: int, now: float) -> None:
        """Follow the interarrival jitter (RFC 3550 section 6.4.1)."""
        transit = timestamp_delta(round(now * _CLOCK_HZ) & 0xFFFF_FFFF, timestamp)
        if self._transit is not None:
            self._jitter += (abs(transit - self._transit) - self._jitter) / 16
        self._transit = transit

    def broken(self, now: float) -> None:
        """Wait for a key frame: pictures that build on what is lost would drift without anybody noticing."""
        if self._waiting_since_s is None:
            self._waiting_since_s = now
            self._pli_at_s = float("-inf")

    def pli_due(self, now: float) -> bool:
        """Whether to ask for a key frame now; then the next time is half a second later."""
        if self._waiting_since_s is None or now < self._pli_at_s + _PLI_AGAIN_S:
            return False
        self._pli_at_s = now
        self.pictures["plis"] += 1
        return True

    def may_decode(self, frame: bytes, now: float) -> bool:
        """Whether the decrypted `frame` is of use: any picture is, but one that waits for its key frame."""
        if self._waiting_since_s is None:
            return True
        if not self._is_key(frame):
            self.pictures["withheld"] += 1
            return False
        if self.first_decoded_s is not None:
            self._recoveries_s.append(now - self._waiting_since_s)
        self._waiting_since_s = None
        return True

    def decoded(self, result: Decoded) -> None:
        """Take what the decoder says."""
        if result.size is None:
            self.pictures["decodeErrors"] += 1
            self.broken(result.at_s)
            return
        self.pictures["decoded"] += 1
        self.size = result.size
        if self.first_decoded_s is None:
            self.first_decoded_s = result.at_s
        if self._last_decoded_s is not None:
            self._longest_freeze_s = max(self._longest_freeze_s, result.at_s - self._last_decoded_s)
        self._last_decoded_s = result.at_s
        if result.stamp is None:
            self.pictures["withoutClock"] += 1
            return
        self._seen.add(result.stamp.counter)
        self._latencies_s.append(result.at_s - result.stamp.time_ms / 1000)

    def sender_reported(self, report: SenderReport, now: float) -> None:
        """Remember for the next receiver report when the last sender report came."""
        self._last_report = (report.ntp >> 16 & 0xFFFF_FFFF, now)

    def block(self, now: float) -> ReportBlock:
        """Return what a receiver report says of this stream."""
        highest = self.inlet.highest or 0
        lost, packets = self.inlet.counters["lost"], self.inlet.counters["packets"]
        lost_lately, packets_lately = lost - self._reported[0], packets - self._reported[1]
        self._reported = (lost, packets)
        fraction = 256 * lost_lately // max(1, lost_lately + packets_lately)
        last_sr, delay = 0, 0
        if self._last_report is not None:
            last_sr, delay = self._last_report[0], round((now - self._last_report[1]) * 65_536)
        return ReportBlock(
            self.ssrc, min(255, fraction), lost, highest & 0xFFFF_FFFF, round(self._jitter), last_sr, delay
        )

    def report(self) -> dict[str, object]:
        """Return the counters for `stats`; `expected` runs from the first to the last number that was read."""
        names = (
            "assembled",
            "early",
            "undecryptable",
            "decrypted",
            "undecoded",
            "withheld",
            "dropped",
            "decoded",
            "decodeErrors",
            "withoutClock",
            "plis",
        )
        recoveries = [round(recovery * 1000) for recovery in self._recoveries_s]
        return {
            "ssrc": self.ssrc,
            "codec": self.codec,
            "size": self.size,
            **{name: self.pictures[name] for name in names},
            "distinct": len(self._seen),
            "expected": max(self._seen) - min(self._seen) + 1 if self._seen else 0,
            "firstCounter": min(self._seen, default=None),
            "lastCounter": max(self._seen, default=None),
            "recoveriesMs": recoveries,
            "longestFreezeMs": round(self._longest_freeze_s * 1000),
            "latencyMs": round(median(self._latencies_s) * 1000, 1) if self._latencies_s else None,
            "latencyMaxMs": round(max(self._latencies_s) * 1000, 1) if self._latencies_s else None,
            "firstDecodedMs": None if self.first_decoded_s is None else round(self.first_decoded_s * 1000, 3),
            "waitsForKey": self._waiting_since_s is not None,
            "packets": dict(self.inlet.counters),
        }
