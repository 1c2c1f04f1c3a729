"""Where published video goes: what one connection's sender, its retransmitter and their packets share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from clankvox.errors import TransportLost
from clankvox.ids import Ssrc
from clankvox.media.frame_cipher import Gate
from clankvox.media.packet_sealer import PacketSealer
from clankvox.ports import SendOutcome, VideoPacerPort
from clankvox.wire.video_codec import VideoCodec


class VideoCipher(Protocol):
    """What is asked of the role's FrameCipher."""

    @property
    def gate(self) -> Gate:
        """What may leave now."""
        ...

    @property
    def generation(self) -> int:
        """Grows with every change after which nothing sealed before may leave."""
        ...

    def seal_video(self, frame: bytes, codec: VideoCodec) -> bytes | None:
        """Return what may leave for a whole access unit, or None while nothing may. Raises MlsError."""
        ...


@dataclass(slots=True)
class PublishCounters:
    """What became of the published video, over all connections. Read by any thread.

    Each field is written by one thread, or under the lock of its VideoSender: `+=` of two threads may lose one.
    """

    frames_sent: int = 0
    frames_dropped: int = 0
    """Encoded and not queued: an IDR was missing, the gate closed, or too much was waiting."""
    packets_sent: int = 0
    packets_stale: int = 0
    packets_dropped: int = 0
    """Taken back before they left, with the rest of their picture."""
    send_failures: int = 0
    encrypt_failures: int = 0
    nacked: int = 0
    """Sequence numbers that receivers asked for."""
    retransmitted: int = 0
    repairs_refused: int = 0
    """Packets that were asked for and not sent again, because too much was waiting."""
    keyframe_requests: int = 0
    """PLI and FIR."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoPath:
    """One connection's way out. `transmit` raises TransportLost (UdpPort.send); it is called on the pacer thread."""

    ssrc: Ssrc
    rtx_ssrc: Ssrc
    sealer: PacketSealer
    cipher: VideoCipher
    pacer: VideoPacerPort
    transmit: Callable[[bytes], None]
    counters: PublishCounters = field(default_factory=PublishCounters)


@dataclass(slots=True, eq=False)
class VideoPacket:
    """A sealed datagram that waits for its sub-slot (a ports.PreparedPacket)."""

    datagram: bytes
    sequence: int
    generation: int
    payload_octets: int
    path: VideoPath
    on_fate: Callable[["VideoPacket", SendOutcome], None]
    """Told on the pacer thread what became of the packet; must not raise."""

    def send(self) -> SendOutcome:
        """Transmit, unless cipher or gate changed since it was sealed (STALE: nothing leaves). Pacer thread."""
        outcome = SendOutcome.SENT
        if self.generation != self.path.cipher.generation:
            outcome = SendOutcome.STALE
        else:
            try:
                self.path.transmit(self.datagram)
            except TransportLost:
                outcome = SendOutcome.FAILED
        self.on_fate(self, outcome)
        return outcome

    def __repr__(self) -> str:
        return f"<VideoPacket {self.sequence}>"
