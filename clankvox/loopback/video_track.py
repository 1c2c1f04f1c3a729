"""Pictures in RTP, as a sending member does it: packets, a cache for who asks again, and sender reports."""

import random
from typing import Final, NamedTuple

from clankvox.ids import Ssrc
from clankvox.loopback import h264_payload, vp8_payload
from clankvox.loopback.member_engine import VideoCodec
from clankvox.loopback.packet_cache import PacketCache
from clankvox.wire.gateway_ops import Codec
from clankvox.wire.rtcp import SenderReport
from clankvox.wire.rtp import FIXED_HEADER_BYTES, RtpHeader
from clankvox.wire.seq import seq_add, timestamp_add

VIDEO_CLOCK_HZ: Final = 90_000
SENT_AS: Final = (
    Codec(name="opus", type="audio", priority=1000, payload_type=120),
    Codec(name="H264", type="video", priority=1000, payload_type=101, rtx_payload_type=102),
    Codec(name="VP8", type="video", priority=2000, payload_type=97, rtx_payload_type=98),
)
"""What a publishing member says in op 1; no other client here has the same numbers."""
_PADDING_PACKET_SHARE: Final = 0.02
_PAYLOAD_TYPES: Final = {codec.name: codec for codec in SENT_AS}


class OutPacket(NamedTuple):
    """A packet to be sent; without payload it is padding only."""

    header: RtpHeader
    payload: bytes


class VideoTrack:
    """One video SSRC and its repair SSRC. Time is in monotonic seconds."""

    def __init__(self, codec: VideoCodec, ssrc: int, rtx_ssrc: int, draws: random.Random) -> None:
        """Begin at random numbers."""
        self.ssrc, self.rtx_ssrc = ssrc, rtx_ssrc
        self.packets = 0
        self.octets = 0
        self._codec = codec
        self._random = draws
        self._sequence = draws.randrange(1 << 16)
        self._rtx_sequence = draws.randrange(1 << 16)
        self._timestamp_base = draws.randrange(1 << 32)
        self._picture_id = draws.randrange(1 << 15)
        self._cache: PacketCache[OutPacket] = PacketCache()

    def timestamp_at(self, at_s: float) -> int:
        """Return the RTP timestamp of a picture that shows at `at_s`."""
        return timestamp_add(self._timestamp_base, round(at_s * VIDEO_CLOCK_HZ))

    def packetise(self, frame: bytes, at_s: float) -> list[OutPacket]:
        """Return the packets of one picture, encrypted or not; sometimes a packet of nothing but padding follows."""
        if self._codec == "H264":
            payloads = h264_payload.packetise(frame)
        else:
            payloads = vp8_payload.packetise(frame, self._picture_id)
            self._picture_id += 1
        timestamp = self.timestamp_at(at_s)
        packets = [self._next(payload, timestamp, marker=False) for payload in payloads[:-1]]
        packets += [self._next(payload, timestamp, marker=True) for payload in payloads[-1:]]
        if self._random.random() < _PADDING_PACKET_SHARE:
            packets.append(self._next(b"", timestamp, marker=False))
        return packets

    def again(self, sequence: int) -> OutPacket | None:
        """Return a retransmission (RFC 4588), or None for what is too long ago."""
        packet = self._cache.get(sequence)
        if packet is None:
            return None
        header = packet.header._replace(
            payload_type=_PAYLOAD_TYPES[self._codec].rtx_payload_type or 0,
            sequence=self._rtx_sequence,
            ssrc=Ssrc(self.rtx_ssrc),
        )
        self._rtx_sequence = seq_add(self._rtx_sequence, 1)
        return OutPacket(header, sequence.to_bytes(2, "big") + packet.payload)

    def report(self, now: float, ntp: int) -> SenderReport:
        """Return a sender report: `ntp` (32.32) and the timestamp of `now` are the same instant."""
        return SenderReport(
            Ssrc(self.ssrc), ntp, self.timestamp_at(now), self.packets & 0xFFFF_FFFF, self.octets & 0xFFFF_FFFF
        )

    def _next(self, payload: bytes, timestamp: int, *, marker: bool) -> OutPacket:
        payload_type = _PAYLOAD_TYPES[self._codec].payload_type
        header = RtpHeader(
            payload_type, marker, self._sequence, timestamp, Ssrc(self.ssrc), False, FIXED_HEADER_BYTES, 0
        )
        packet = OutPacket(header, payload)
        self._cache.store(self._sequence, packet)
        self._sequence = seq_add(self._sequence, 1)
        self.packets += 1
        self.octets += len(payload)
        return packet
