"""A member of our own that watches: subscribes, repairs, decrypts, decodes, and tells what it saw."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Final

import av
import msgspec

from clankvox.clock import Clock
from clankvox.errors import InvalidRequest
from clankvox.ids import Ssrc, UserId
from clankvox.loopback.clock_picture import Stamp, read_clock
from clankvox.loopback.codec_table import CodecTable
from clankvox.loopback.hearing import Hearing
from clankvox.loopback.hosted_member import HostedMember
from clankvox.loopback.media_port import Packet
from clankvox.loopback.member import Library
from clankvox.loopback.own_member import OwnMember
from clankvox.loopback.participant import Emit
from clankvox.loopback.picture_decoder import Decoded, Job, PictureDecoder, luma_of, write_picture
from clankvox.loopback.recording import Recording
from clankvox.loopback.room import Room
from clankvox.loopback.sfu import Sfu
from clankvox.loopback.video_inlet import Assembled
from clankvox.loopback.watched_stream import WatchedStream
from clankvox.wire.gateway_ops import (
    ClientDisconnect,
    Codec,
    MediaSinkWants,
    Op,
    Payload,
    SpeakingFlag,
    Video,
)
from clankvox.wire.rtcp import Nack, Pli, ReceiverReport, SenderReport
from clankvox.wire.rtcp import Packet as RtcpPacket
from clankvox.wire.rtp import OPUS_PAYLOAD_TYPE

SSRCS: Final = 1
RECEIVED_AS: Final = (
    Codec(name="opus", type="audio", priority=1000, payload_type=120),
    Codec(name="H264", type="video", priority=1000, payload_type=105, rtx_payload_type=106, encode=False),
    Codec(name="VP8", type="video", priority=2000, payload_type=107, rtx_payload_type=108, encode=False),
)
"""What a watching member says in op 1: other numbers than any publisher's."""
_POLL_S: Final = 0.02
_MAX_BLOCKS: Final = 31
_REPORT_S: Final = 1.0
_HOLD_WITH_NACK_S: Final = 0.25
_HOLD_WITHOUT_S: Final = 0.1


class Watching(msgspec.Struct, frozen=True, kw_only=True):
    """How a watcher behaves. Without `decode` it counts pictures that decrypt, and costs little."""

    decode: bool = True
    nack: bool = True
    pli: bool = True
    quality: int = 100
    pixel_count: float = 921_600.0
    folder: Path | None = None
    every: int = 30


class Watcher(OwnMember):
    """Watches everybody who shows something. The event loop owns it; a thread decodes."""

    def __init__(
        self,
        user_id: UserId,
        ssrc: Ssrc,
        member: HostedMember,
        watching: Watching,
        recording: Recording | None,
        *,
        library: Library,
        seed: int,
    ) -> None:
        """`ssrc` is the watcher's alone. Call `begin` when it has entered its room."""
        super().__init__(user_id, ssrc, member, library=library, seed=seed)
        self.port.codecs = CodecTable(RECEIVED_AS)
        self.port.hear = self._hear
        self.port.hear_rtcp = self._hear_rtcp
        self.counters: Counter[str] = Counter()
        self._watching = watching
        self._hearing = Hearing(member, recording)
        self._streams: dict[int, WatchedStream] = {}
        """By primary SSRC."""
        self._owners: dict[int, UserId] = {}
        self._repairs: dict[int, int] = {}
        self._pollers: list[asyncio.TimerHandle] = []
        self._ended = False

    def begin(self, room: Room, sfu: Sfu, clock: Clock, emit: Emit) -> None:
        """Say ops 12 and 5 as a watcher has to, and subscribe to what is shown."""
        self._hearing.begin(room.service.awaits)
        super().begin(room, sfu, clock, emit)
        self._loop = asyncio.get_running_loop()
        self._decoder = PictureDecoder(clock, self._hand_over, self._watching.folder, self._watching.every)
        room.show(self, Video(audio_ssrc=self.port.ssrc, video_ssrc=0, rtx_ssrc=0, streams=()))
        room.speak(self, SpeakingFlag.NONE)
        self._subscribe()
        self._poll()
        self._report_again()

    def end(self) -> None:
        """Stop watching."""
        self._ended = True
        super().end()
        self._decoder.end()
        self._hearing.end()

    def send(self, op: Op, payload: bytes | Payload) -> None:
        """Take a message, see OwnMember; op 12 says whose SSRCs there are."""
        super().send(op, payload)
        match payload:
            case Video(user_id=str() as user_id):
                self._map(UserId(int(user_id)), payload)
            case ClientDisconnect(user_id=user_id):
                self._forget(UserId(int(user_id)))

    def want(self, quality: int) -> None:
        """Subscribe anew with another quality, 0 for nothing."""
        self._watching = msgspec.structs.replace(self._watching, quality=quality)
        self._subscribe()

    async def snapshot(self, user_id: UserId | None, path: Path) -> dict[str, object]:
        """Write the last picture (of `user_id`) as .png or .npz; InvalidRequest if there is none, or it cannot."""
        for stream in self._streams.values():
            frame = self._decoder.last(stream.ssrc) if user_id in (None, stream.user_id) else None
            if frame is None:
                continue
            try:
                stamp = await asyncio.to_thread(_save, frame, path)
            except OSError as error:
                raise InvalidRequest(f"cannot write the picture: {error.strerror}") from error
            about: dict[str, object] = {"of": str(stream.user_id), "width": frame.width, "height": frame.height}
            return about if stamp is None else {**about, "counter": stamp.counter, "timeMs": stamp.time_ms}
        raise InvalidRequest("no picture has been seen yet")

    def report(self) -> dict[str, object]:
        """Return what `stats` says of this watcher."""
        return {
            "kind": "watcher",
            **super().report(),
            **self._hearing.report(),
            "watched": {str(stream.user_id): stream.report() for stream in self._streams.values()},
            "strayPackets": self.counters["stray"],
        }

    def _map(self, user_id: UserId, video: Video) -> None:
        self._forget(user_id, keep_streams=True)
        for described in video.streams or ():
            if described.ssrc:
                self._owners[described.ssrc] = user_id
                self._repairs[described.rtx_ssrc or described.ssrc + 1] = described.ssrc
        if video.video_ssrc:
            self._owners[video.video_ssrc] = user_id
            self._repairs.setdefault(video.video_ssrc + 1, video.video_ssrc)
        asyncio.get_running_loop().call_soon(self._subscribe)

    def _forget(self, user_id: UserId, *, keep_streams: bool = False) -> None:
        for ssrc in [ssrc for ssrc, owner in self._owners.items() if owner == user_id]:
            del self._owners[ssrc]
            self._repairs = {rtx: primary for rtx, primary in self._repairs.items() if primary != ssrc}
            if not keep_streams:
                self._streams.pop(ssrc, None)

    def _subscribe(self) -> None:
        """Say what is wanted (op 15)."""
        if self._ended:
            return
        quality, pixels = self._watching.quality, self._watching.pixel_count
        wants = MediaSinkWants(
            any=quality,
            wants=dict.fromkeys(self._owners, quality),
            pixel_counts=dict.fromkeys(self._owners, pixels) if quality else {},
        )
        self._room.want(self, wants)

    def _hear(self, packet: Packet, now: float) -> None:
        header = packet.header
        if header.payload_type == OPUS_PAYLOAD_TYPE:
            self._hearing.hear(packet, now)
            return
        form = self.port.codecs.format(header.payload_type)
        primary = self._repairs.get(header.ssrc, header.ssrc)
        owner = self._owners.get(primary)
        if owner is None or form is None or form.repair != (header.ssrc in self._repairs):
            self.counters["stray"] += 1
            return
        stream = self._stream(owner, primary, form.codec, now)
        if form.repair:
            complete = stream.inlet.take_repair(packet.payload, header.timestamp, now, marker=header.marker)
        else:
            stream.arrived(header.timestamp, now)
            complete = stream.inlet.take(header.sequence, header.timestamp, packet.payload, now, marker=header.marker)
        self._take(stream, complete)
        self._ask(stream, now)

    def _stream(self, owner: UserId, ssrc: int, codec: str, now: float) -> WatchedStream:
        stream = self._streams.get(ssrc)
        if stream is None or stream.codec != codec:
            hold_s = _HOLD_WITH_NACK_S if self._watching.nack else _HOLD_WITHOUT_S
            stream = WatchedStream(owner, ssrc, "VP8" if codec == "VP8" else "H264", hold_s, now)
            self._streams[ssrc] = stream
        return stream

    def _take(self, stream: WatchedStream, complete: list[Assembled]) -> None:
        for assembled in complete:
            stream.pictures["assembled"] += 1
            if assembled.frame is None:
                self._decrypted(stream, None)
            else:
                self._member.decrypt_video(
                    stream.user_id, assembled.frame, lambda frame: self._decrypted(stream, frame)
                )

    def _decrypted(self, stream: WatchedStream, frame: bytes | None) -> None:
        now = self._clock.now()
        if frame is None:
            # the key of a group that this member is about to enter
            stream.pictures["undecryptable" if stream.pictures["decrypted"] else "early"] += 1
            stream.broken(now)
            return
        stream.pictures["decrypted"] += 1
        if not stream.may_decode(frame, now):
            return
        if not self._watching.decode:
            stream.pictures["undecoded"] += 1
            if stream.pictures["undecoded"] == 1:
                self._emit("watched", self.about(of=str(stream.user_id), codec=stream.codec))
        elif not self._decoder.submit(Job(stream.ssrc, stream.codec, frame)):
            stream.pictures["dropped"] += 1
            stream.broken(now)

    def _hand_over(self, result: Decoded) -> None:
        try:
            self._loop.call_soon_threadsafe(self._decoded, result)
        except RuntimeError:  # the loop has ended meanwhile
            return

    def _decoded(self, result: Decoded) -> None:
        stream = self._streams.get(result.stream)
        if stream is None or self._ended:
            return
        first = stream.first_decoded_s is None
        stream.decoded(result)
        if first and result.size is not None:
            about = self.about(of=str(stream.user_id), width=result.size[0], height=result.size[1], codec=stream.codec)
            self._emit("watched", about)

    def _hear_rtcp(self, packets: list[RtcpPacket], now: float) -> None:
        for packet in packets:
            if isinstance(packet, SenderReport) and packet.ssrc in self._streams:
                self._streams[packet.ssrc].sender_reported(packet, now)

    def _poll(self) -> None:
        """Give up what is overdue, and ask for what is missing."""
        if self._ended:
            return
        now = self._clock.now()
        for stream in self._streams.values():
            lost, complete = stream.inlet.give_up(now)
            if lost:
                stream.broken(now)
            self._take(stream, complete)
            self._ask(stream, now)
        self._loop.call_later(_POLL_S, self._poll)

    def _ask(self, stream: WatchedStream, now: float) -> None:
        if self._watching.nack:
            missing = stream.inlet.to_ask(now)
            if missing:
                self._sfu.submit_rtcp(self.port, [Nack(self.port.ssrc, stream.ssrc, tuple(missing))], now)
        if self._watching.pli and self._member.ready and stream.pli_due(now):
            self._sfu.submit_rtcp(self.port, [Pli(self.port.ssrc, stream.ssrc)], now)

    def _report_again(self) -> None:
        if self._ended:
            return
        now = self._clock.now()
        blocks = tuple(stream.block(now) for stream in list(self._streams.values())[:_MAX_BLOCKS])
        self._sfu.submit_rtcp(self.port, [ReceiverReport(self.port.ssrc, blocks)], now)
        self._loop.call_later(_REPORT_S, self._report_again)


def _save(frame: av.VideoFrame, path: Path) -> Stamp | None:
    write_picture(frame, path)
    return read_clock(luma_of(frame))
