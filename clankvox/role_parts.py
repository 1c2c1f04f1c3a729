"""What the actors of one role share: sockets, cipher, receive path and decoding thread. Part of the composition."""

from collections.abc import Callable

from clankvox.actors.base import Tell
from clankvox.actors.facts import FactMail
from clankvox.actors.link import CLOSE_NORMAL
from clankvox.clock import Clock
from clankvox.errors import TransportLost
from clankvox.ids import Role, Ssrc
from clankvox.ledger import ReceiveTotals
from clankvox.media.capture_board import CaptureBoard
from clankvox.media.decode_queue import DecodeQueue
from clankvox.media.frame_cipher import FrameCipher
from clankvox.media.picture_maker import PictureMaker, PictureTotals
from clankvox.media.receive import ReceivePipeline
from clankvox.media.video_path import PublishCounters
from clankvox.media.video_receiver import VideoReceiver
from clankvox.media.video_totals import VideoTotals
from clankvox.media.watch_list import WatchList
from clankvox.outbox import Outbox
from clankvox.outlets import PcmOutlet, PictureOutlet
from clankvox.shells.udp import UdpSocket
from clankvox.shells.video_worker import VideoWorker
from clankvox.shells.websocket import VoiceWebSocket
from clankvox.wire import rtcp

Feedback = Callable[[rtcp.Packet, float], None]
"""What hears opened RTCP packets, on the role's UDP thread."""


def ignore(_packet: rtcp.Packet, _now: float) -> None:
    """Hear nothing: nobody of this role publishes pictures."""


class Viewing:
    """How a receiving role sees: access units from its UDP thread to a decoding thread, pictures to the parent."""

    def __init__(self, role: Role, outbox: Outbox, need_keyframe: Callable[[Ssrc], None]) -> None:
        self.queue = DecodeQueue()
        self.outlet = PictureOutlet(outbox)
        self.maker = PictureMaker(self.outlet, need_keyframe)
        self.worker = VideoWorker(role, self.queue, self.maker)
        self._started = False

    def watch(self, streams: WatchList) -> None:
        """Take what is wanted now; the thread begins with the first wish. The video actor's thread."""
        self.maker.watch(streams)
        if not self._started and any(stream.wish is not None for stream in streams):
            self._started = True
            self.worker.start()


class RoleParts:
    """One role's sockets and media. Made before the actors; closed after them."""

    def __init__(
        self,
        role: Role,
        clock: Clock,
        outbox: Outbox,
        tell_router: Tell,
        connection: Tell,
        write: Callable[[], None] | None = None,
    ) -> None:
        """`write` comes on the UDP thread when it has put what it had into `outbox`; else the writer is only woken."""
        self.role = role
        self._clock = clock
        self._feedback_failures = 0
        self.udp = UdpSocket(clock, connection, write or outbox.wake_writer)
        self.cipher = FrameCipher(self.udp.wake)
        self.board = CaptureBoard(self.udp.wake)
        self.web_socket = VoiceWebSocket(connection)
        self.viewing = None if role is Role.STREAM_PUBLISH else Viewing(role, outbox, self._need_keyframe)
        facts = FactMail(role, tell_router, lambda: self.pipeline.attempt, outbox)
        self.video = (
            VideoReceiver(role, self.cipher, self.viewing.worker, facts, self._send_rtcp) if self.viewing else None
        )
        self.on_feedback: Feedback = ignore
        self.published: PublishCounters | None = None
        """What became of our own pictures, if this role sends any."""
        self.pipeline = ReceivePipeline(
            self.cipher, self.board, PcmOutlet(outbox, role), facts, self.video, self._on_rtcp
        )

    def watch(self, streams: WatchList) -> None:
        """Look at these streams from now on (actors.video.WatchDesk). The video actor's thread."""
        if self.viewing is not None:
            self.viewing.watch(streams)
            self.pipeline.watch(streams)
            self.udp.wake()

    def counters(self) -> dict[str, int]:
        """Return all that was counted here and is not zero, also what no sum of `transport_stats` has. Any thread."""
        kept: dict[str, ReceiveTotals | VideoTotals | PictureTotals | PublishCounters] = {"audio": self.pipeline.totals}
        found = {f"udp_{name}": count for name, count in self.udp.statistics()._asdict().items()}
        found["feedback_not_sent"] = self._feedback_failures
        if self.video is not None and self.viewing is not None:
            kept |= {"video": self.video.totals, "pictures": self.viewing.maker.totals}
            found["pictures_beyond_a_frame"] = self.viewing.outlet.too_large
            found["pictures_failed"] = self.viewing.worker.failures
        if self.published is not None:
            kept["published"] = self.published
        for part, totals in kept.items():
            found |= {f"{part}_{name}": getattr(totals, name) for name in totals.__slots__}
        return {name: count for name, count in found.items() if count}

    def close(self) -> None:
        """Stop reading, sending and decoding. Main thread."""
        self.udp.close()
        self.web_socket.close(CLOSE_NORMAL)  # its actor has done so, unless that hangs
        if self.viewing is not None:
            self.viewing.worker.close()

    def _need_keyframe(self, ssrc: Ssrc) -> None:
        self.pipeline.require_keyframe(ssrc, self._clock.now())
        self.udp.wake()

    def _send_rtcp(self, compound: bytes) -> None:
        try:
            sealed = self.pipeline.seal_rtcp(compound)
            if sealed is not None:
                self.udp.send(sealed)
        except TransportLost:
            self._feedback_failures += 1  # the connection hears of its loss elsewhere

    def _on_rtcp(self, packet: rtcp.Packet, now: float) -> None:
        self.on_feedback(packet, now)
