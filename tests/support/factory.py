"""A whole voice call without threads: every actor, real codecs, the parent's view of it, and shells that record."""

import base64
import json
import struct
from collections.abc import Callable
from itertools import count
from random import Random
from typing import Any

import numpy as np
from msgspec import Struct, structs

from clankvox.actors.base import BaseActor, Surroundings, Tell, teller
from clankvox.actors.boundary import Boundary
from clankvox.actors.capture import CaptureActor
from clankvox.actors.dave import DaveActor
from clankvox.actors.facts import FactMail
from clankvox.actors.link import Shells
from clankvox.actors.music import MusicActor
from clankvox.actors.output import Output
from clankvox.actors.playback import PlaybackActor
from clankvox.actors.publish import PublishActor
from clankvox.actors.router import RouterActor
from clankvox.actors.video import VideoActor
from clankvox.actors.voice import VoiceActor
from clankvox.app import CONNECTION_ACTORS
from clankvox.errors import CommandError, OpenFailed
from clankvox.ids import MUSIC, PLAYBACK, ROUTER, ActorKind, Address, Role, UserId, capture_address
from clankvox.ids import connection_address as connection_at
from clankvox.ids import dave_address as dave_at
from clankvox.ipc.decoding import decode_command
from clankvox.ipc.events import TransportStats
from clankvox.media.frame_cipher import Gate
from clankvox.media.frame_ledger import FrameLedger
from clankvox.media.publish_way import PublishWay, WayOut
from clankvox.media.receive import StreamReport
from clankvox.media.sender_report import ReportClock
from clankvox.media.video_path import PublishCounters
from clankvox.media.video_target import HD_720
from clankvox.messages.common import Inspect, Message
from clankvox.messages.router import CommandReceived, LineRejected, StopRequested
from clankvox.outbox import Outbox
from clankvox.wire.dave_frame import is_dave_frame
from clankvox.wire.ip_discovery import PACKET_BYTES
from clankvox.wire.rtp import SILENCE_FRAME, is_rtp, parse_header
from clankvox.wire.transport_crypto import TransportMode, open_sealed
from tests.support.fake_mls import FakeEngine
from tests.support.fake_publish import FakePublisher
from tests.support.fake_role import FakeRole
from tests.support.fake_server import KEY
from tests.support.fake_shells import ModelPipeline, SteppedPacer
from tests.support.fake_source import FakeSources
from tests.support.manual_clock import ManualClock
from tests.support.pump import Choose, Pump, first
from tests.support.transitions import record

GUILD, CHANNEL, SELF = 10, 20, 7
ENDPOINT = "voice.example.com:443"
TELEMETRY = ("buffer_depth", "playback_position", "transport_stats", "stream_stats")


def model_pipeline(parts: FakeRole, outbox: Outbox, facts: FactMail) -> ModelPipeline:
    """Return a pipeline that tests tell who is heard; see tests/support/wire_pipeline.py for one that gets packets."""
    return ModelPipeline(parts.board, outbox, facts)


class Call:
    """One router and all that it brings to life. Tests write lines, play the server, and read events."""

    def __init__(
        self,
        make_engine: Callable[..., object] = FakeEngine,
        seed: int = 1,
        make_pipeline: Callable[..., Any] = model_pipeline,
    ) -> None:
        self.make_pipeline = make_pipeline
        self.rng = Random(seed)
        self.clock = ManualClock()
        self.pump = Pump(self.clock)
        self.outbox = Outbox(self.clock.now)
        self.pacer = SteppedPacer(self.clock)
        self.ledger = FrameLedger()
        self.engines: list[Any] = []
        self.exit_codes: list[int] = []
        self.shown: list[bytes] = []
        """Descriptions of all actors that were written to stderr."""
        self.released = 0
        self.streams: list[StreamReport] = []
        """News of streams, for the router to fetch."""
        self._make_engine = make_engine
        self._actors: dict[Address, BaseActor] = {}
        self.sources = FakeSources(self._tell_music)
        self._tracks = count(1)
        self.publisher = FakePublisher()
        self.roles = {role: FakeRole(self, role) for role in Role}
        voice = self.roles[Role.VOICE]
        self.web_socket, self.udp, self.server = voice.web_socket, voice.udp, voice.server
        self.board, self.cipher, self.pipeline = voice.board, voice.cipher, voice.pipeline
        self.mirrored: list[bool] = []
        """Whether log records were to be mirrored, each time that it was said."""
        boundary = Boundary(
            outbox=self.outbox,
            pacer=self.pacer,
            spawn=self._spawn,
            collect=_no_stats,
            release=self._release,
            stopped=self.exit_codes.append,
            streams=self._take_streams,
            show=self.shown.append,
            mirror_logs=self.mirrored.append,
        )
        self.router = RouterActor(Surroundings(ROUTER, self.clock, self.tell_router, record), boundary)
        self.leaks: list[bytes] = []
        """Frames that left in clear while only encrypted ones might."""
        self.pump.adopt(self.router)
        self._datagrams_read = dict.fromkeys(Role, 0)
        self.rtp_left = 0
        """Packets of sound that have left, of all roles, as far as `left` has looked."""

    def _take_streams(self, role: Role) -> list[StreamReport]:
        if role is not Role.VOICE:
            return []
        news, self.streams = self.streams, []
        return news

    def tell_router(self, message: Message) -> None:
        teller(self.router.actor_ref)(message)

    # --- actors ---

    def actor(self, address: Address) -> BaseActor:
        return self._actors[address]

    def has_actor(self, address: Address) -> bool:
        """Whether somebody lives, or has lived, at `address`."""
        return address in self._actors

    def _tell_music(self, news: Message) -> None:
        teller(self._actors[MUSIC].actor_ref)(news)

    @property
    def connection(self) -> VoiceActor:
        return self._actors[connection_at(Role.VOICE)]

    @property
    def dave(self) -> DaveActor:
        return self._actors[dave_at(Role.VOICE)]

    @property
    def playback(self) -> PlaybackActor:
        return self._actors[PLAYBACK]

    def capture(self, user: int) -> CaptureActor:
        return self._actors[capture_address(UserId(user))]

    def states(self) -> dict[str, str]:
        """State of every actor by kind, of captures by user."""
        return {_short_name(actor._address): actor.handle(Inspect())["state"] for actor in self.pump.actors}

    def state(self, name: str) -> str:
        return self.states()[name]

    @property
    def engine(self) -> Any:
        """The group library that was made last."""
        return self.engines[-1]

    def _spawn(self, address: Address, router: Tell, life: int) -> Any:
        surroundings = Surroundings(address, self.clock, router, record, life)
        parts = self.roles[address.role]
        match address.kind:
            case ActorKind.CONNECTION:
                shells = Shells(parts.web_socket, parts.udp, parts.pipeline)
                actor = CONNECTION_ACTORS[address.role](surroundings, shells, tuple(TransportMode), self.rng)
            case ActorKind.DAVE:
                actor = DaveActor(surroundings, parts.cipher, self._new_engine)
            case ActorKind.PLAYBACK:
                output = Output(self.cipher, self.pacer, self.udp.send, self.ledger, self.rng)
                actor = PlaybackActor(surroundings, output)
            case ActorKind.MUSIC:
                actor = MusicActor(surroundings, self.sources, self._tracks)
            case ActorKind.CAPTURE:
                actor = CaptureActor(surroundings, parts.board)
            case ActorKind.VIDEO:
                actor = VideoActor(surroundings, parts.desk)
            case ActorKind.PUBLISH:
                output = Output(parts.cipher, self.pacer, parts.udp.send, self.ledger, self.rng)
                actor = PublishActor(surroundings, self.publisher, self._publish_way(parts), output, HD_720)
            case _:
                raise AssertionError(address)
        self._actors[address] = actor
        self.pump.adopt(actor)
        return actor.actor_ref

    def _publish_way(self, parts: FakeRole) -> PublishWay:
        counters, clock = PublishCounters(), ReportClock(0, 0.0)
        out = WayOut(parts.cipher, self.pacer, parts.udp.send, counters, clock, self.rng)
        return PublishWay(out, self.publisher.force_idr)

    def _new_engine(self, version: int, user_id: int, group_id: int) -> Any:
        self.engines.append(self._make_engine(version, user_id, group_id))
        return self.engines[-1]

    def _release(self) -> None:
        self.released += 1

    # --- the parent ---

    def line(self, **fields: object) -> None:
        """Write one command, as the stdin shell hands it over."""
        try:
            command = decode_command(json.dumps(fields).encode())
        except CommandError as error:
            self.tell_router(LineRejected(error=error))
        else:
            self.tell_router(CommandReceived(command=command))

    def end_of_input(self) -> None:
        self.tell_router(StopRequested(exit_code=0, reason="destroy"))

    def signal(self) -> None:
        self.tell_router(StopRequested(exit_code=0, reason="destroy", at_once=True))

    def join(self, connection_id: str | None = "c1", channel: int = CHANNEL) -> None:
        ids = {} if connection_id is None else {"connectionId": connection_id}
        self.line(type="join", guildId=str(GUILD), channelId=str(channel), **ids)

    def voice_server(self, endpoint: str | None = ENDPOINT, token: str | None = "tok", **more: object) -> None:  # noqa: S107
        self.line(type="voice_server", data={"endpoint": endpoint, "token": token, **more})

    def voice_state(self, session: str = "sess", channel: int = CHANNEL, user: int = SELF) -> None:
        self.line(type="voice_state", data={"session_id": session, "user_id": str(user), "channel_id": str(channel)})

    def audio(
        self, playback_id: str | None = "p1", ms: int = 100, *, level: int = 8_000, rate: int = 48_000, **more: object
    ) -> None:
        ids = {} if playback_id is None else {"playbackId": playback_id}
        chunk = {"pcmBase64": base64.b64encode(tone(ms, rate, level)).decode(), "sampleRate": rate}
        self.line(type="audio", **ids, **(chunk | more))

    def finish(self, playback_id: str = "p1") -> None:
        self.line(type="finish_tts_playback", playbackId=playback_id)

    def frames(self) -> list[tuple[int, bytes]]:
        """Every frame since the last look, as (format, payload)."""
        found = []
        while (frame := self.outbox.take(0.0)) is not None:
            frame_format, size = struct.unpack_from("<BI", frame)
            assert len(frame) == 5 + size
            found.append((frame_format, bytes(frame[5:])))
        return found

    def events(self, *, telemetry: bool = False) -> list[dict[str, Any]]:
        """Every JSON event since the last look, as the parent reads it."""
        events = [json.loads(payload) for frame_format, payload in self.frames() if frame_format == 0]
        return [event for event in events if telemetry or event["type"] not in TELEMETRY]

    # --- running ---

    def drain(self, choose: Choose = first) -> None:
        self.pump.drain(choose)

    def run(self, seconds: float, choose: Choose = first) -> None:
        """Let time pass: timers fire and slots are served when they are due."""
        end = self.clock.now() + seconds
        self.drain(choose)
        while True:
            due = [at for at in (self.pump.next_timer(), self.pacer.due()) if at is not None and at <= end]
            if not due:
                break
            self.clock.move_to(min(due))
            slot = self.pacer.due()
            if slot is not None and slot <= self.clock.now():
                self.pacer.serve_slot(self.clock.now())
            self.drain(choose)
        self.clock.move_to(end)
        self.drain(choose)

    # --- shortcuts ---

    def connect(self, connection_id: str | None = "c1", dave_version: int = 0) -> "Call":
        """Join and take the connection to ready; events so far are forgotten."""
        self.join(connection_id)
        self.voice_server()
        self.voice_state()
        self.drain()
        self.server.handshake(dave_version)
        self.events()
        return self

    def establish(self, *others: int, connection_id: str | None = "c1") -> "Call":
        """Connect with DAVE and a group that is in force."""
        self.connect(connection_id, dave_version=1)
        self.server.members(*(others or (42,)))
        self.server.external_sender()
        self.server.welcome(0)
        self.drain()
        self.events()
        return self

    def told(self, message: Message, to: BaseActor) -> None:
        """Hand `message` to an actor, as another one would."""
        to.actor_ref.tell(message)
        self.drain()

    # --- the wire ---

    def left(self) -> list[bytes]:
        """RTP payloads (behind the transport encryption) that left the call since the last look; sees all roles."""
        frames = {role: self._frames_of(role) for role in Role}
        return frames[Role.VOICE]

    def _frames_of(self, role: Role) -> list[bytes]:
        udp = self.roles[role].udp
        first_unread, self._datagrams_read[role] = self._datagrams_read[role], len(udp.sent)
        frames = []
        for datagram, gate in zip(udp.sent[first_unread:], udp.sent_under[first_unread:], strict=True):
            if not is_rtp(datagram) or len(datagram) == PACKET_BYTES:
                continue
            frame = self._unsealed(datagram)
            frames.append(frame)
            if in_clear(frame) and gate is not Gate.CLEAR:
                self.leaks.append(frame)
        self.rtp_left += len(frames)
        return frames

    def _unsealed(self, datagram: bytes) -> bytes:
        """Open a packet; only tests that refuse a mode ever use the other one."""
        clear_bytes = parse_header(datagram).clear_bytes
        for mode in TransportMode:
            try:
                return open_sealed(mode, KEY, datagram, clear_bytes)
            except OpenFailed:
                continue
        raise AssertionError("a packet that nobody can open")


def _short_name(address: Address) -> str:
    name = str(address.user_id or address.kind)
    return name if address.role is Role.VOICE or address.kind is ActorKind.ROUTER else f"{address.role} {name}"


def in_clear(payload: bytes) -> bool:
    """Whether an Opus frame is readable on its way; exact silence may be."""
    return payload != SILENCE_FRAME and not is_dave_frame(payload)


def tone(ms: int, rate: int = 48_000, level: int = 8_000) -> bytes:
    samples = np.arange(ms * rate // 1000)
    return (level * np.sin(samples * 2 * np.pi * 440 / rate)).astype("<i2").tobytes()


def short(events: list[dict[str, Any]]) -> list[str]:
    """Events in the fewest words that tell them apart; how much of a playback was heard is left out."""
    return [" ".join(str(value) for key, value in event.items() if key not in _unsaid(event)) for event in events]


def _unsaid(event: dict[str, Any]) -> tuple[str, ...]:
    more = ("playedMs",) if event["type"] == "tts_playback_state" else ()
    return ("connectionId", "payload", "message", *more)


def _no_stats() -> TransportStats:
    return TransportStats(**{field.name: _zero(field.type) for field in structs.fields(TransportStats)})


def _zero(kind: Any) -> Any:
    """Return 0, or a part of the statistics in which every counter is 0."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        return kind(**{field.name: 0 for field in structs.fields(kind)})
    return 0
