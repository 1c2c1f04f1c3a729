"""The receive path of one role: a datagram in, and right away whatever follows from it.

Layers, outermost first: kind of datagram, transport encryption, header extension and padding, DAVE, order, Opus
(RFC 3550 section 5.1, RFC 7714; padding and extension lie inside the transport's encryption). It all runs inline on
the role's UDP thread, under the capture board's lock: one lock a datagram, no actor, no queue. Video goes to its
VideoReceiver at the payload.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from clankvox.errors import OpenFailed, WireError
from clankvox.ids import Attempt, Ssrc, UserId
from clankvox.ledger import Fate, ReceiveTotals, StreamLedger
from clankvox.media.alarm import Alarm
from clankvox.media.audio_stream import StreamTools
from clankvox.media.capture_board import CaptureBoard
from clankvox.media.frame_cipher import FrameCipher
from clankvox.media.hearing import Hearing, hearing_of
from clankvox.media.receive_ports import PacketOpener, PcmSink, ReceiveFacts
from clankvox.media.reorder import Frame
from clankvox.media.sender_binding import SweepBudget
from clankvox.media.signal_meter import SignalMeter
from clankvox.media.speaker import HELD_S, SpeakerTools
from clankvox.media.speaker_roster import SpeakerRoster
from clankvox.media.stream_register import StreamRegister, StreamReport
from clankvox.media.video_receiver import VideoReceiver
from clankvox.media.watch_list import WatchList
from clankvox.wire import ip_discovery, rtcp
from clankvox.wire.rtp import OPUS_PAYLOAD_TYPE, RtpHeader, is_rtcp, parse_header, strip
from clankvox.wire.video_codec import VIDEO_PAYLOADS

_log = logging.getLogger("clankvox.receive")

_PONG_BYTES: Final = 8
_MOST_BEFORE_KEY: Final = 1_000
"""Datagrams of all speakers together: 2 s of ten."""


class ReceivePipeline:
    """DatagramSink of a role; lives as long as the role and is attached to one connection after the other.

    `feed` and `poll` run on the UDP thread, everything else on the thread of the connection actor. After arming a
    capture, installing a key or giving a hint, wake the UDP thread if it must take effect before the next packet.
    """

    def __init__(
        self,
        cipher: FrameCipher,
        board: CaptureBoard,
        sink: PcmSink,
        facts: ReceiveFacts,
        video: VideoReceiver | None = None,
        on_rtcp: Callable[[rtcp.Packet, float], None] | None = None,
    ) -> None:
        """`video` for roles that watch. `on_rtcp` gets what others report and ask of us, on the UDP thread."""
        self.totals = ReceiveTotals()
        self.attempt = Attempt(0)
        """The connection that datagrams belong to now."""
        self._cipher = cipher
        self._board = board
        self._facts = facts
        self._video = video
        self._on_feedback = on_rtcp
        self._alarm = Alarm()
        speaker_tools = SpeakerTools(sink, facts, self.totals, SignalMeter(), self._alarm)
        self._roster = SpeakerRoster(board, speaker_tools)
        board.closes_with(self._roster.close)
        tools = StreamTools(cipher, SweepBudget(), self._roster, facts, self.totals, self._alarm)
        self._streams = StreamRegister(tools)
        self._opener: PacketOpener | None = None
        self._own_ssrc: Ssrc | None = None
        self._before_key: deque[tuple[bytes, float]] = deque()
        cipher.opens_first(self._open_waiting)
        self._seen_generation = -1
        self._seen_version = -1
        self._hints_changed = False
        self._fed_since_poll = False
        self._polled_at = self._read_out_at = 0.0

    # --- the connection actor ---

    def attach(self, attempt: Attempt, own_ssrc: Ssrc) -> None:
        """Begin a connection; RTP is kept (1,000 datagrams, 2 s) until `open_with` brings the key."""
        with self._board.lock:
            self._drop_streams()
            self.attempt = attempt
            self._own_ssrc = own_ssrc
            if self._video is not None:
                self._video.attach(attempt, own_ssrc, self._alarm)

    def open_with(self, opener: PacketOpener) -> None:
        """Take the transport key of this connection."""
        with self._board.lock:
            self._opener = opener
            self._alarm.due = 0.0

    def detach(self) -> None:
        """End the connection: SSRCs, hints and keys are forgotten, and nobody speaks any more."""
        with self._board.lock:
            self._drop_streams()

    def hint(self, ssrc: Ssrc, user_id: UserId) -> None:
        """Op 5: `user_id` says that it sends on `ssrc`. Decides whom to try first, and alone where DAVE is off."""
        with self._board.lock:
            self._streams.hint(ssrc, user_id)
            self._roster.returned(user_id)
            self._hints_changed = True
            self._alarm.due = 0.0

    def expects(self, user_id: UserId) -> bool:
        """Whether the user was announced as a speaker, or heard."""
        with self._board.lock:
            return self._streams.expects(user_id)

    def has_last_words(self, user_id: UserId, left_at: float) -> bool:
        """Whether something of a user who left is still to be heard.

        Packets of his that wait for their key, or frames for their capture to be armed anew, or what is perhaps in the
        socket: see `was_read_out`.
        """
        if not self.was_read_out(left_at):
            return True
        with self._board.lock:
            return self._streams.holds(user_id) or self._roster.awaits_capture(user_id)

    def was_read_out(self, since: float) -> bool:
        """Whether what the socket held at `since` (s) was looked at: two polls came since, and no datagram between."""
        return self._read_out_at > since

    def forget_user(self, user_id: UserId) -> None:
        """Op 13, once what the user sent before it was heard: he left."""
        with self._board.lock:
            self._streams.forget_user(user_id)
            if self._video is not None:
                self._video.forget_user(user_id)
            self._alarm.due = 0.0

    def _open_waiting(self) -> None:
        """Open what waits before the group changes. DAVE actor."""
        with self._board.lock:
            for stream in self._streams:
                stream.open_waiting()

    def seal_rtcp(self, compound: bytes) -> bytes | None:
        """Return the datagram of a compound RTCP packet, None without a session. UDP thread."""
        return self._opener.seal_rtcp(compound) if self._opener is not None else None

    def watch(self, streams: WatchList) -> None:
        """Say what video is announced and wanted: see VideoReceiver.watch. Then wake the UDP thread."""
        with self._board.lock:
            if self._video is not None:
                self._video.watch(streams)
                self._alarm.due = 0.0

    def require_keyframe(self, ssrc: Ssrc, now: float) -> None:
        """Say that a decoder lost track of this stream. Any thread that holds no lock of a sink."""
        with self._board.lock:
            if self._video is not None:
                self._video.require_keyframe(ssrc, now)

    def reports(self) -> list[StreamReport]:
        """Copy the ledger of every stream of this connection. Any thread."""
        with self._board.lock:
            return self._streams.reports()

    def take_news(self) -> list[StreamReport]:
        """Return the streams that are over, and those that packets came from, since the last call. Any thread.

        Of more than 512 streams that are over the first are not told.
        """
        with self._board.lock:
            return self._streams.take_news()

    def ended_streams(self) -> StreamLedger:
        """Sum of the ledgers of all streams that are over. Any thread."""
        with self._board.lock:
            return self._streams.ended()

    def all_streams(self) -> StreamLedger:
        """Sum of the ledgers of all streams since the process started. Any thread."""
        with self._board.lock:
            return self._streams.total()

    def jitter_s(self) -> float:
        """How late the latest packets of any stream are. Any thread."""
        with self._board.lock:
            return self._streams.jitter_s()

    def hearing(self) -> Hearing:
        """How many frames were opened and how many could not be, since the process started. Any thread."""
        return hearing_of(self.all_streams())

    # --- the UDP thread ---

    def feed(self, datagram: bytes, now: float) -> None:
        """Process one datagram that arrived at `now`; whatever it holds, it is counted and never raises."""
        with self._board.lock:
            self._alarm.wake(now)
            self._fed_since_poll = True
            if self._is_behind():
                self._catch_up(now)
            if len(datagram) == _PONG_BYTES:
                self._on_pong(datagram)
            elif is_rtcp(datagram):
                self._on_rtcp(datagram, now)
            elif len(datagram) == ip_discovery.PACKET_BYTES and datagram[0] == 0:
                self._on_discovery(datagram)
            else:
                self._on_rtp(datagram, now)

    def poll(self, now: float) -> float:
        """Do what time or a change asks for; return when to come back at the latest."""
        with self._board.lock:
            self._alarm.wake(now)
            if not self._fed_since_poll:
                self._read_out_at = self._polled_at  # the socket was found empty some time between then and now
            self._fed_since_poll, self._polled_at = False, now
            if self._is_behind():
                self._catch_up(now)
            if now >= self._alarm.due:
                self._alarm.restart(now)
                for stream in self._streams:
                    stream.poll(now)
                self._roster.poll(now)
                if self._video is not None:
                    self._video.poll(now)
            return self._alarm.sleep(now)

    def _is_behind(self) -> bool:
        return (
            self._board.version != self._seen_version
            or self._cipher.generation != self._seen_generation
            or self._hints_changed
            or bool(self._before_key)
        )

    def _catch_up(self, now: float) -> None:
        """Act on new captures, keys and hints before anything newer is looked at."""
        if self._before_key and self._opener is not None:
            waiting, self._before_key = self._before_key, deque()
            for datagram, arrival in waiting:
                self._on_rtp(datagram, arrival)
        generation, version = self._cipher.generation, self._board.version
        if version != self._seen_version:
            self._seen_version = version
            self._roster.configure(now)
            self._alarm.due = now
        if generation != self._seen_generation or self._hints_changed:
            self._seen_generation = generation
            self._hints_changed = False
            for stream in self._streams:
                stream.retry(now)
            if self._video is not None:
                self._video.retry(now)

    def _on_pong(self, datagram: bytes) -> None:
        counter = ip_discovery.parse_pong(datagram)
        if counter is None:
            self.totals.unrecognized += 1
        else:
            self._facts.pong(counter)

    def _on_discovery(self, datagram: bytes) -> None:
        if self._own_ssrc is None:
            self.totals.discovery_refused += 1
            return
        try:
            address, port = ip_discovery.parse_reply(datagram, self._own_ssrc)
        except WireError:
            self.totals.discovery_refused += 1
        else:
            self._facts.discovery_replied(address, port)

    def _on_rtp(self, datagram: bytes, now: float) -> None:
        try:
            header = parse_header(datagram)
        except WireError:
            self.totals.unrecognized += 1
            return
        if header.payload_type in VIDEO_PAYLOADS and self._video is not None:
            self._on_video(self._video, header, datagram, now)
        elif header.payload_type != OPUS_PAYLOAD_TYPE:
            self.totals.not_audio += 1
        elif header.ssrc == self._own_ssrc:
            self.totals.own_ssrc += 1
        elif self._opener is None:
            self._keep_until_key(datagram, now)
        else:
            self._on_audio(self._opener, header, datagram, now)

    def _on_video(self, video: VideoReceiver, header: RtpHeader, datagram: bytes, now: float) -> None:
        """Hand a video packet on; before the key it is dropped, because a picture comes anew for the asking."""
        if self._opener is None or not video.expects(header):
            return
        try:
            plaintext = self._opener.open(datagram, header.clear_bytes)
        except OpenFailed:
            video.totals.transport_decrypt_fail += 1
            _note_unopened("video", video.totals.transport_decrypt_fail)
            return
        try:
            payload = strip(header, plaintext)
        except WireError:
            video.totals.bad_packets += 1
            return
        video.receive(header, payload, now)

    def _on_rtcp(self, datagram: bytes, now: float) -> None:
        self.totals.rtcp += 1
        if self._opener is None:
            return
        try:
            opened = self._opener.open(datagram, rtcp.RTCP_CLEAR_BYTES)
            packets = rtcp.parse_compound(datagram[: rtcp.RTCP_CLEAR_BYTES] + opened)
        except WireError:
            self.totals.rtcp_refused += 1
            return
        for packet in packets:
            if isinstance(packet, rtcp.SenderReport) and self._video is not None:
                self._video.on_sender_report(packet, now)
            if self._on_feedback is not None:
                self._on_feedback(packet, now)

    def _keep_until_key(self, datagram: bytes, now: float) -> None:
        """Keep packets that outran the session description, which comes by another way."""
        if self._own_ssrc is None:
            self.totals.before_key += 1
            return
        while self._before_key and (
            len(self._before_key) >= _MOST_BEFORE_KEY or now - self._before_key[0][1] >= HELD_S
        ):
            self._before_key.popleft()
            self.totals.before_key += 1
        self._before_key.append((datagram, now))

    def _on_audio(self, opener: PacketOpener, header: RtpHeader, datagram: bytes, now: float) -> None:
        try:
            plaintext = opener.open(datagram, header.clear_bytes)
        except OpenFailed:
            self.totals.transport_decrypt_fail += 1
            _note_unopened("audio", self.totals.transport_decrypt_fail)
            self._streams.enter(header.ssrc, Fate.AEAD_FAILED)
            return
        self.totals.packets += 1
        stream = self._streams.get(header.ssrc) or self._streams.begin(header.ssrc, now)
        stream.last_arrival = now
        stream.ledger.arrived += 1
        try:
            payload = strip(header, plaintext)
        except WireError:
            stream.ledger.settle(Fate.MALFORMED)
            return
        if payload:
            stream.receive(Frame(payload, header.sequence, header.timestamp, now), now)
        else:
            stream.skip(header.sequence)

    def _drop_streams(self) -> None:
        self._roster.suspend()
        if self._video is not None:
            self._video.detach()
        self._streams.drop()
        self._opener = None
        self._own_ssrc = None
        self.totals.before_key += len(self._before_key)
        self._before_key.clear()
        self._alarm.due = 0.0


def _note_unopened(kind: str, count: int) -> None:
    """Log the 1st, 2nd, 4th, 8th datagram that does not authenticate: anybody may send any number of them."""
    if count.bit_count() == 1:
        _log.info("transport decrypt failed", extra={"fields": {"kind": kind, "count": count}})
