"""What is seen on one role: which SSRC is whose, which of them anybody wants to see, and the feedback to senders."""

from typing import Final

from clankvox.errors import WireError
from clankvox.ids import Attempt, Role, Ssrc, UserId
from clankvox.media.alarm import Alarm
from clankvox.media.frame_cipher import FrameCipher
from clankvox.media.sender_binding import SweepBudget
from clankvox.media.video_ports import AccessUnitSink, RtcpSender, VideoFacts
from clankvox.media.video_reorder import VideoPacket
from clankvox.media.video_stream import VideoStream, VideoTools
from clankvox.media.video_totals import VideoTotals
from clankvox.media.watch_list import RemoteStream, WatchList
from clankvox.wire import rtcp, rtx
from clankvox.wire.rtp import RtpHeader
from clankvox.wire.video_codec import VIDEO_PAYLOADS

REPORT_INTERVAL_S: Final = 1.0
MOST_STREAMS: Final = 16
"""Streams that are assembled at a time; beyond that the one that was silent for longest is forgotten."""
_MOST_ANNOUNCED: Final = 512
_MOST_BLOCKS: Final = 31


class VideoReceiver:
    """Takes the video packets of a role; lives as long as the role. Not thread-safe: ReceivePipeline locks.

    `attach` begins a connection; `watch` says what is announced and wanted on it, with every change of either.
    """

    def __init__(
        self, role: Role, cipher: FrameCipher, sink: AccessUnitSink, facts: VideoFacts, send_rtcp: RtcpSender
    ) -> None:
        self.totals = VideoTotals()
        self._role = role
        self._cipher = cipher
        self._sink = sink
        self._facts = facts
        self._send_rtcp = send_rtcp
        self._own_ssrc = Ssrc(0)
        self._announced: dict[Ssrc, RemoteStream] = {}
        self._repaired_by: dict[Ssrc, Ssrc] = {}
        """Media SSRC by RTX SSRC."""
        self._wanted: frozenset[UserId] = frozenset()
        self._streams: dict[Ssrc, VideoStream] = {}
        self._report_at = 0.0
        self._tools: VideoTools | None = None

    # --- what is known, and wanted ---

    def attach(self, attempt: Attempt, own_ssrc: Ssrc, alarm: Alarm) -> None:
        """Begin a connection, on which nothing is announced yet."""
        self.detach()
        self._own_ssrc = own_ssrc
        self._tools = VideoTools(
            role=self._role,
            attempt=attempt,
            own_ssrc=own_ssrc,
            cipher=self._cipher,
            sweeps=SweepBudget(),
            sink=self._sink,
            facts=self._facts,
            totals=self.totals,
            alarm=alarm,
            tell=self._tell,
            wants=lambda user_id: user_id in self._wanted,
        )

    def detach(self) -> None:
        """End the connection: every SSRC is forgotten."""
        self.watch(())
        self._tools = None

    def watch(self, streams: WatchList) -> None:
        """Take what is announced and wanted now, in place of what was before; poll soon, then key frames are asked for.

        Packets of streams without a wish are dropped unopened. Those of an SSRC that is not announced are opened while
        anybody is watched, for op 12 may come later than they, and then stay with a user who has a wish.

        Op 12 is each user's own word. So what is wished for goes before what anybody else says of the same SSRC.
        """
        first_wished = sorted(streams, key=lambda stream: stream.wish is None)[:_MOST_ANNOUNCED]
        self._announced = {stream.ssrc: stream for stream in reversed(first_wished)}
        announced = self._announced.values()
        self._repaired_by = {
            stream.rtx_ssrc: stream.ssrc
            for stream in announced
            if stream.rtx_ssrc is not None and stream.rtx_ssrc not in self._announced
        }
        self._wanted = frozenset(stream.user_id for stream in announced if stream.wish is not None)
        for ssrc, stream in list(self._streams.items()):
            remote = self._announced.get(ssrc)
            if self._is_wanted(ssrc, stream) and (remote is not None or stream.remote is None):
                stream.remote = remote
            else:
                self._end(ssrc)
        for remote in announced:
            if remote.wish is not None and remote.ssrc not in self._streams:
                self._begin(remote.ssrc, 0.0)

    def forget_user(self, user_id: UserId) -> None:
        """Op 13: the user left."""
        self.watch(tuple(stream for stream in self._announced.values() if stream.user_id != user_id))
        for ssrc in [ssrc for ssrc, stream in self._streams.items() if stream.user_id == user_id]:
            self._end(ssrc)

    def require_keyframe(self, ssrc: Ssrc, now: float) -> None:
        """Send no more deltas of this stream to its decoder, which lost track, and ask for a key frame."""
        stream = self._streams.get(ssrc)
        if stream is not None:
            stream.gate.lose()
            stream.poll(now)

    # --- packets ---

    def expects(self, header: RtpHeader) -> bool:
        """Whether a packet is worth opening; what is not wanted is counted here."""
        if self._tools is not None and header.ssrc != self._own_ssrc:
            ssrc = self._repaired_by.get(header.ssrc, header.ssrc)
            if self._is_wanted(ssrc, self._streams.get(ssrc)):
                return True
        self.totals.unwanted += 1
        return False

    def receive(self, header: RtpHeader, payload: bytes, now: float) -> None:
        """Take a packet that the transport authenticated, freed of extension and padding, at `now`."""
        self.totals.packets += 1
        codec, repair = VIDEO_PAYLOADS[header.payload_type]
        if repair:
            self._on_repair(header, payload, now)
            return
        stream = self._streams.get(header.ssrc) or self._begin(header.ssrc, now)
        if stream is not None:
            packet = VideoPacket(payload, header.sequence, header.timestamp, header.marker, now)
            stream.receive(codec, packet, now)

    def on_sender_report(self, report: rtcp.SenderReport, now: float) -> None:
        """Take a sender's report of its stream."""
        stream = self._streams.get(report.ssrc)
        if stream is not None:
            stream.reception.on_sender_report(report, now)

    def retry(self, now: float) -> None:
        """Try again what could not be opened: keys or members have changed."""
        for stream in list(self._streams.values()):
            stream.retry(now)
            stream.poll(now)

    def poll(self, now: float) -> None:
        """Let time pass; asks the alarm for the next time."""
        for stream in list(self._streams.values()):
            stream.poll(now)
        if now >= self._report_at:
            self._report_at = now + REPORT_INTERVAL_S
            self._report(now)
        if self._tools is not None and self._streams:
            self._tools.alarm.by(self._report_at)

    def _on_repair(self, header: RtpHeader, payload: bytes, now: float) -> None:
        self.totals.rtx_packets += 1
        stream = self._streams.get(self._repaired_by.get(header.ssrc, header.ssrc))
        if stream is None or not payload:
            return
        try:
            sequence, original = rtx.unwrap(payload)
        except WireError:
            self.totals.bad_packets += 1
            return
        stream.repair(VideoPacket(original, sequence, header.timestamp, header.marker, now), now)

    def _report(self, now: float) -> None:
        blocks = [block for stream in self._streams.values() if (block := stream.reception.block(now)) is not None]
        if blocks:
            self._tell(rtcp.ReceiverReport(self._own_ssrc, tuple(blocks[:_MOST_BLOCKS])))

    def _tell(self, packet: rtcp.Packet) -> None:
        self._send_rtcp(rtcp.build_packet(packet))

    # --- streams ---

    def _is_wanted(self, ssrc: Ssrc, stream: VideoStream | None) -> bool:
        """Whether packets of this SSRC may become pictures that somebody wants."""
        remote = self._announced.get(ssrc)
        if remote is not None:
            return remote.wish is not None
        user_id = stream.user_id if stream is not None else None
        return bool(self._wanted) and (user_id is None or user_id in self._wanted)

    def _begin(self, ssrc: Ssrc, now: float) -> VideoStream | None:
        if self._tools is None:
            return None
        if len(self._streams) >= MOST_STREAMS:
            self._end(min(self._streams, key=lambda each: self._streams[each].last_arrival))
            self.totals.streams_evicted += 1
        stream = self._streams[ssrc] = VideoStream(ssrc, self._announced.get(ssrc), self._tools)
        stream.last_arrival = now
        return stream

    def _end(self, ssrc: Ssrc) -> None:
        stream = self._streams.pop(ssrc, None)
        if stream is not None:
            stream.discard()
            self._sink.stream_ended(ssrc)
