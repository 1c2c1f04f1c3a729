"""A member of our own that shows a video, and perhaps sounds with it: what a Go Live streamer or a webcam does."""

import asyncio
from collections import Counter, deque
from typing import Final

import msgspec

from clankvox.clock import Clock
from clankvox.ids import Ssrc, UserId
from clankvox.loopback.codec_table import CodecTable
from clankvox.loopback.film import Film
from clankvox.loopback.hosted_member import HostedMember
from clankvox.loopback.member import Library
from clankvox.loopback.opus_track import OpusTrack, Script
from clankvox.loopback.own_member import OwnMember
from clankvox.loopback.participant import Emit
from clankvox.loopback.picture_encoder import VideoSettings
from clankvox.loopback.picture_feed import Due, PictureFeed
from clankvox.loopback.room import Room
from clankvox.loopback.sfu import Sfu
from clankvox.loopback.video_track import SENT_AS, OutPacket, VideoTrack
from clankvox.wire.gateway_ops import (
    MediaSinkWants,
    Op,
    Payload,
    Resolution,
    SpeakingFlag,
    StreamDescription,
    Video,
)
from clankvox.wire.rtcp import Fir, Nack, Packet, Pli, ReceiverReport, SenderReport

SSRCS: Final = 3
"""Audio, video, repair."""
_BURST_PACKETS: Final = 8
_BURST_S: Final = 0.002
_REPORT_S: Final = 1.0
_READY_POLL_S: Final = 0.05
_MAX_UNSENT_PICTURES: Final = 30
_NTP_EPOCH_S: Final = 2_208_988_800
_QUALITY: Final = 100


class Showing(msgspec.Struct, frozen=True, kw_only=True):
    """How a publisher behaves."""

    settings: VideoSettings
    honours_pli: bool = True
    answers_nack: bool = True
    sound: Script | None = None


class Publisher(OwnMember):
    """Shows its film as soon as it may encrypt. The event loop owns it; pictures come from a thread."""

    def __init__(
        self,
        user_id: UserId,
        ssrc: Ssrc,
        member: HostedMember,
        film: Film,
        showing: Showing,
        *,
        library: Library,
        seed: int,
    ) -> None:
        """`ssrc` and the two after it are the publisher's. Call `begin` when it has entered its room."""
        super().__init__(user_id, ssrc, member, library=library, seed=seed)
        self.port.ssrcs = frozenset(range(ssrc, ssrc + SSRCS))
        self.port.codecs = CodecTable(SENT_AS)
        self.port.hear_rtcp = self._hear_rtcp
        self.counters: Counter[str] = Counter()
        self.wanted: int | None = None
        """`any` of the last op 15: 0 says that nobody watches."""
        self._film = film
        self._showing = showing
        self._track = VideoTrack(showing.settings.codec, ssrc + 1, ssrc + 2, self._random)
        sound = showing.sound
        self._sound = (
            None if sound is None else OpusTrack(sound, member, self.port, self._random, SpeakingFlag.SOUNDSHARE)
        )
        self._queue: deque[OutPacket] = deque()
        self._sending: asyncio.TimerHandle | None = None
        self._reporting: asyncio.TimerHandle | None = None
        self._resuming: asyncio.TimerHandle | None = None
        self._paused = False
        self._encrypting = 0
        self._ended = False
        self._receiver_reports: dict[str, object] = {}

    def begin(self, room: Room, sfu: Sfu, clock: Clock, emit: Emit) -> None:
        """Announce the video (ops 12 and 5) and let pictures come."""
        super().begin(room, sfu, clock, emit)
        self._loop = asyncio.get_running_loop()
        room.show(self, self._description(active=True))
        room.speak(self, SpeakingFlag.SOUNDSHARE)
        if self._sound is not None:
            self._sound.begin(
                sfu, clock, lambda flags: room.speak(self, flags), lambda: room.service.settled, lambda: None
            )
        self._feed = PictureFeed(self._film, self._showing.settings.fps, clock, self._hand_over)
        self._resume_when_ready()
        self._report_later()

    def end(self) -> None:
        """Stop showing."""
        self._ended = True
        self._feed.end()
        for timer in (self._sending, self._reporting, self._resuming):
            if timer is not None:
                timer.cancel()
        if self._sound is not None:
            self._sound.end()
        self._queue.clear()
        super().end()

    def pause(self, *, paused: bool) -> None:
        """Stop or go on: ops 5 and 12 tell, and the first picture after a pause is a key frame."""
        self._paused = paused
        if paused:
            self._feed.pause()
            self._queue.clear()
        self._room.speak(self, SpeakingFlag.NONE if paused else SpeakingFlag.SOUNDSHARE)
        self._room.show(self, self._description(active=not paused))
        if not paused:
            self._resume_when_ready()

    @property
    def settings(self) -> VideoSettings:
        """What is shown now."""
        return self._showing.settings

    def change(self, film: Film, settings: VideoSettings) -> None:
        """Go on with a picture of another size on the same SSRC, as a shared window does that is resized."""
        self._showing = msgspec.structs.replace(self._showing, settings=settings)
        self._room.show(self, self._description(active=not self._paused))
        self._feed.change(film)

    def send(self, op: Op, payload: bytes | Payload) -> None:
        """Take a message, see OwnMember; a key frame follows each transition, for who joined with it."""
        super().send(op, payload)
        match op, payload:
            case Op.MEDIA_SINK_WANTS, MediaSinkWants(any=quality):
                self.counters["wants"] += 1
                self.wanted = quality
            case Op.EXECUTE_TRANSITION, _:
                if self._showing.honours_pli:
                    self._feed.force_key()

    def report(self) -> dict[str, object]:
        """Return what `stats` says of this publisher."""
        failure = self._feed.failure
        return {
            "kind": "publisher",
            **super().report(),
            "publisher": {
                "wanted": self.wanted,
                "codec": self._showing.settings.codec,
                "videoSsrc": self._track.ssrc,
                "rtxSsrc": self._track.rtx_ssrc,
                "packetsSent": self._track.packets,
                **{name: self.counters[name] for name in _COUNTED},
                "receiverReports": self._receiver_reports,
                "failure": None if failure is None else str(failure),
            },
        }

    def _description(self, *, active: bool) -> Video:
        settings = self._showing.settings
        stream = StreamDescription(
            type="video",
            rid="100",
            ssrc=self._track.ssrc,
            rtx_ssrc=self._track.rtx_ssrc,
            active=active,
            quality=_QUALITY,
            max_bitrate=settings.bits_a_second,
            max_framerate=settings.fps,
            max_resolution=Resolution(type="fixed", width=settings.width, height=settings.height),
        )
        return Video(
            audio_ssrc=self.port.ssrc,
            video_ssrc=self._track.ssrc,
            rtx_ssrc=self._track.rtx_ssrc,
            streams=(stream,),
        )

    def _hand_over(self, due: Due) -> None:
        try:
            self._loop.call_soon_threadsafe(self._take_picture, due)
        except RuntimeError:  # the loop has ended meanwhile
            self._feed.end()

    def _take_picture(self, due: Due) -> None:
        """Encrypt a picture. One that may not leave is dropped, and the next is to be a key frame."""
        if self._ended:
            return
        self.counters["pictures"] += 1
        self.counters["keyPictures"] += due.picture.key
        if not self._member.ready:
            self.counters["picturesUnsent"] += 1
            self._feed.pause()
            self._resume_when_ready()
            return
        if self._encrypting >= _MAX_UNSENT_PICTURES:
            self._drop_picture()
            return
        self._encrypting += 1
        codec = self._showing.settings.codec
        self._member.encrypt_video(codec, due.picture.data, lambda sealed: self._packetise(sealed, due.at_s))

    def _resume_when_ready(self) -> None:
        """Let pictures come once they may leave: before there is a group, none is drawn."""
        if self._resuming is not None:
            self._resuming.cancel()
            self._resuming = None
        if self._paused or self._ended:
            return
        if self._member.ready and self._room.service.settled:
            self._feed.resume()
        else:
            self._resuming = self._loop.call_later(_READY_POLL_S, self._resume_when_ready)

    def _drop_picture(self) -> None:
        self.counters["picturesUnsent"] += 1
        self._feed.force_key()

    def _packetise(self, sealed: bytes | None, at_s: float) -> None:
        self._encrypting -= 1
        if sealed is None:
            self._drop_picture()
            return
        self.counters["picturesSent"] += 1
        self._queue.extend(self._track.packetise(sealed, at_s))
        if self._sending is None:
            self._send_some()

    def _send_some(self) -> None:
        """Send a few packets, and more a little later: a key frame is no burst."""
        now = self._clock.now()
        for _ in range(min(_BURST_PACKETS, len(self._queue))):
            packet = self._queue.popleft()
            self._sfu.submit(self.port, packet.header, packet.payload, now)
        self._sending = self._loop.call_later(_BURST_S, self._send_some) if self._queue else None

    def _hear_rtcp(self, packets: list[Packet], now: float) -> None:
        for packet in packets:
            match packet:
                case Pli() | Fir():
                    self.counters["plis"] += 1
                    if self._showing.honours_pli:
                        self._feed.force_key()
                case Nack(sequences=sequences):
                    self.counters["nackedPackets"] += len(sequences)
                    if self._showing.answers_nack:
                        self._send_again(sequences, now)
                case ReceiverReport(ssrc=ssrc, blocks=blocks):
                    self._receiver_reports[str(ssrc)] = [
                        {"lost": block.cumulative_lost, "jitter": block.jitter} for block in blocks
                    ]

    def _send_again(self, sequences: tuple[int, ...], now: float) -> None:
        for sequence in sequences:
            packet = self._track.again(sequence)
            if packet is not None:
                self.counters["rtxPackets"] += 1
                self._sfu.submit(self.port, packet.header, packet.payload, now)

    def _report_later(self) -> None:
        """Send sender reports with one clock for picture and sound, and again in a second."""
        now = self._clock.now()
        ntp = round((now + _NTP_EPOCH_S) * (1 << 32)) & 0xFFFF_FFFF_FFFF_FFFF
        reports: list[Packet] = [self._track.report(now, ntp)]
        if self._sound is not None:
            timestamp = self._sound.timestamp_at(now)
            reports.append(SenderReport(self.port.ssrc, ntp, timestamp, self._sound.frames_sent, 0))
        for report in reports:
            self._sfu.submit_rtcp(self.port, [report], now)
        self._reporting = self._loop.call_later(_REPORT_S, self._report_later)


_COUNTED: Final = (
    "pictures",
    "keyPictures",
    "picturesSent",
    "picturesUnsent",
    "plis",
    "nackedPackets",
    "rtxPackets",
    "wants",
)
