"""What the playback actor sends with, and its way out: values and one record, no behaviour."""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from clankvox.ids import Ssrc
from clankvox.media.frame_cipher import FrameCipher
from clankvox.media.rtp_sender import RtpSender, SealedPacket
from clankvox.ports import PacerPort


class OpusFrame(NamedTuple):
    """An encoded frame that has not left yet."""

    payload: bytes
    audible: bool


class OutboundCounters:
    """What has left; written by the playback actor, read by the router's statistics."""

    __slots__ = ("send_failures", "sent_packets")

    def __init__(self) -> None:
        self.sent_packets = 0
        self.send_failures = 0


class Output(NamedTuple):
    """What the playback actor sends with."""

    cipher: FrameCipher
    pacer: PacerPort
    transmit: Callable[[bytes], None]
    counters: OutboundCounters
    rng: Random


class Path:
    """One session's way out: its SSRC, its numbering, and whether the pacer ticks for it."""

    def __init__(self, number: int, ssrc: Ssrc, sender: RtpSender) -> None:
        self.number = number
        self.ssrc = ssrc
        self.sender = sender
        self.ticking = False
        self.suspended = False
        self.armed: SealedPacket | None = None
