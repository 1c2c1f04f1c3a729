"""What the SFU sees of one sender's video stream: what arrived, what was asked for again, and what answered."""

from typing import Final

from clankvox.wire.rtp import RtpHeader
from clankvox.wire.seq import seq_delta

_DAVE_MARKER: Final = b"\xfa\xfa"


class VideoStatistics:
    """Counters of one primary SSRC and of its repair SSRC. Arrival instants are seconds on the SFU's receive clock."""

    def __init__(self) -> None:
        self.packets = 0
        self.bytes = 0
        self.padding_packets = 0
        """Packets of nothing but padding."""
        self.pictures = 0
        """Packets with the marker, that is the last one of a picture."""
        self.dave_pictures = 0
        self.plaintext_pictures = 0
        self.plaintext_in_transition = 0
        self.late_packets = 0
        """Packets that came after a later one, or twice."""
        self.nacks = 0
        self.nacked_packets = 0
        self.plis = 0
        self.firs = 0
        self.rtx_packets = 0
        """Retransmissions by the sender."""
        self.rtx_here = 0
        """Retransmissions by the SFU."""
        self.first_arrival_s = 0.0
        self.last_arrival_s = 0.0
        self._gaps = 0
        self._last: RtpHeader | None = None

    @property
    def lost_packets(self) -> int:
        """Sequence numbers that never came under the primary SSRC."""
        return max(0, self._gaps - self.late_packets)

    def arrived(self, header: RtpHeader, payload: bytes, arrival_s: float) -> None:
        """Note a packet of the primary SSRC."""
        self.packets += 1
        self.bytes += len(payload)
        self.padding_packets += not payload
        self.last_arrival_s = arrival_s
        if self._last is None:
            self.first_arrival_s = arrival_s
        else:
            steps = seq_delta(header.sequence, self._last.sequence)
            if steps <= 0:
                self.late_packets += 1
                return
            self._gaps += steps - 1
        self._last = header

    def watch(self, header: RtpHeader, payload: bytes, *, encryption_due: bool, in_transition: bool) -> None:
        """Classify the last packet of a picture: a DAVE trailer ends it, or it is in clear."""
        if not (header.marker and payload):
            return
        self.pictures += 1
        if payload.endswith(_DAVE_MARKER):
            self.dave_pictures += 1
        elif encryption_due and in_transition:
            self.plaintext_in_transition += 1
        elif encryption_due:
            self.plaintext_pictures += 1

    def report(self) -> dict[str, object]:
        """Return the counters for `stats`."""
        return {
            "packets": self.packets,
            "bytes": self.bytes,
            "firstArrivalMs": round(self.first_arrival_s * 1000, 3),
            "lastArrivalMs": round(self.last_arrival_s * 1000, 3),
            "paddingPackets": self.padding_packets,
            "lostPackets": self.lost_packets,
            "latePackets": self.late_packets,
            "pictures": self.pictures,
            "davePictures": self.dave_pictures,
            "plaintextPictures": self.plaintext_pictures,
            "plaintextInTransition": self.plaintext_in_transition,
            "nacks": self.nacks,
            "nackedPackets": self.nacked_packets,
            "rtxPackets": self.rtx_packets,
            "rtxHere": self.rtx_here,
            "plis": self.plis,
            "firs": self.firs,
        }
