"""One connection's way out for our own Go Live stream, put together: pictures, retransmissions, and reports of both.

Made by the publish actor, one for each connection; viewers' feedback comes in on the role's UDP thread.
"""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from clankvox.errors import TransportLost
from clankvox.ids import Ssrc
from clankvox.media.packet_sealer import PacketSealer
from clankvox.media.retransmitter import Retransmitter
from clankvox.media.sender_report import ReportClock, SentTally
from clankvox.media.video_feedback import VideoFeedback
from clankvox.media.video_path import PublishCounters, VideoCipher, VideoPath
from clankvox.media.video_sender import VideoSender
from clankvox.ports import VideoPacerPort
from clankvox.wire.rtcp import RTCP_CLEAR_BYTES, Packet, build_sender_report
from clankvox.wire.rtp import OPUS_CLOCK_HZ


class WayOut(NamedTuple):
    """What does not change from one connection to the next."""

    cipher: VideoCipher
    pacer: VideoPacerPort
    transmit: Callable[[bytes], None]
    counters: PublishCounters
    clock: ReportClock
    rng: Random


class _Connection(NamedTuple):
    sender: VideoSender
    feedback: VideoFeedback
    sealer: PacketSealer
    sound: SentTally


class PublishWay:
    """Actor's thread, but `receive`: that is the UDP thread's."""

    def __init__(self, out: WayOut, on_keyframe_wanted: Callable[[], None]) -> None:
        """`on_keyframe_wanted` hears every request of a viewer, on the UDP thread."""
        self._out = out
        self._on_keyframe_wanted = on_keyframe_wanted
        self._connection: _Connection | None = None

    def open(self, audio_ssrc: Ssrc, video_ssrc: Ssrc, rtx_ssrc: Ssrc, sealer: PacketSealer) -> VideoSender:
        """Make the sender of a new connection; the one before is forgotten."""
        out = self._out
        path = VideoPath(
            ssrc=video_ssrc,
            rtx_ssrc=rtx_ssrc,
            sealer=sealer,
            cipher=out.cipher,
            pacer=out.pacer,
            transmit=out.transmit,
            counters=out.counters,
        )
        self.close()
        sender = sealer.sender_of(video_ssrc, lambda: VideoSender(path, out.rng))
        retransmitter = sealer.sender_of(rtx_ssrc, lambda: Retransmitter(sender, out.rng))
        feedback = VideoFeedback(path, retransmitter, self._on_keyframe_wanted)
        self._connection = _Connection(sender, feedback, sealer, SentTally(audio_ssrc, OPUS_CLOCK_HZ))
        return sender

    def close(self) -> None:
        """Forget the connection; what waits for its slot never leaves. Idempotent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            path = connection.sender.path
            path.pacer.drop(path.ssrc)
            path.pacer.drop(path.rtx_ssrc)

    def receive(self, packet: Packet, now: float) -> None:
        """Take what a viewer says. UDP thread."""
        connection = self._connection
        if connection is not None:
            connection.feedback.receive(packet, now)

    def sound_left(self, payload_octets: int, timestamp: int, instant_s: float) -> None:
        """Count a packet of sound that has left, for the sender reports."""
        connection = self._connection
        if connection is not None:
            connection.sound.note(payload_octets, timestamp, instant_s)

    def report(self, now: float) -> None:
        """Send the sender reports of both SSRCs: one NTP clock, so that viewers can play them in sync."""
        connection = self._connection
        if connection is None:
            return
        for tally in (connection.sender.tally, connection.sound):
            report = tally.report(self._out.clock, now)
            if report is None:
                continue
            plain = build_sender_report(report)
            try:
                self._out.transmit(connection.sealer.seal(plain[:RTCP_CLEAR_BYTES], plain[RTCP_CLEAR_BYTES:]))
            except TransportLost:
                return  # the connection is about to be told so
