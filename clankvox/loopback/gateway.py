"""One WebSocket of the voice gateway, versions 8 and 9: Hello, Identify or Resume, and what follows."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Final
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from clankvox.clock import Clock
from clankvox.errors import PeerViolation, WireError
from clankvox.loopback.codec_table import CodecTable
from clankvox.loopback.media_port import Transport
from clankvox.loopback.registry import Registry
from clankvox.loopback.session import Session
from clankvox.wire.gateway_ops import (
    BackendVersion,
    CloseCode,
    GatewayMessage,
    Heartbeat,
    HeartbeatAck,
    Hello,
    Identify,
    InvalidCommitWelcome,
    MediaSinkWants,
    Op,
    Payload,
    Ready,
    Resume,
    Resumed,
    SelectProtocol,
    SessionDescription,
    SessionUpdate,
    Speaking,
    TransitionReady,
    Video,
    decode_client_binary,
    decode_json,
    encode_json,
    payload_of,
)
from clankvox.wire.transport_crypto import TransportMode, available_modes

_VERSIONS: Final = (8, 9)
_MAX_QUEUED: Final = 8192
"""A client that reads so slowly is cut off, and may resume."""
_DRAIN_S: Final = 1.0
_MISSED_BEATS: Final = 3
_NEVER_ON_THE_WIRE: Final = frozenset({1005, 1006, 1015})
"""Close codes that only stand for the absence of a close frame (RFC 6455 section 7.4.1)."""
_SERVER_ONLY: Final = frozenset({Op.READY, Op.SESSION_DESCRIPTION, Op.HELLO, Op.RESUMED, Op.CLIENTS_CONNECT})


class Conversation:
    """What one WebSocket says. The event loop runs it; `run` returns when the socket is closed."""

    def __init__(
        self, websocket: ServerConnection, registry: Registry, clock: Clock, heartbeat_interval_ms: int
    ) -> None:
        """Serve `websocket`, whose handshake is done."""
        self._websocket = websocket
        self._registry = registry
        self._clock = clock
        self._interval_ms = heartbeat_interval_ms
        self._version = _requested_version(websocket)
        self._session: Session | None = None
        self._queue: deque[str | bytes] = deque()
        self._queued = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._closing: asyncio.Task[None] | None = None
        self._last_heard_s = clock.now()
        self._beat: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Talk until the socket is closed by either side."""
        writer = asyncio.create_task(self._write())
        self._check_heartbeat()
        try:
            if self._version not in _VERSIONS:
                self.close(CloseCode.UNKNOWN_PROTOCOL)
            else:
                self._put_json(Op.HELLO, Hello(v=self._version, heartbeat_interval=self._interval_ms))
            with suppress(ConnectionClosed):
                async for message in self._websocket:
                    await self._wait_while_stalled()
                    self._receive(message)
        finally:
            if self._beat is not None:
                self._beat.cancel()
            writer.cancel()
            if self._session is not None:
                self._registry.connection_lost(self._session, self, left=self._client_left())

    def put(self, frame: str | bytes) -> None:
        """Queue a frame for the one writer of this socket."""
        if len(self._queue) >= _MAX_QUEUED:
            self._websocket.transport.abort()
            return
        self._queue.append(frame)
        self._drained.clear()
        self._queued.set()

    def close(self, code: int, reason: str = "") -> None:
        """Close with `code` once the queue is written, or after a second."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(code, reason))

    async def _close(self, code: int, reason: str) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._drained.wait(), _DRAIN_S)
        if code in _NEVER_ON_THE_WIRE:
            self._websocket.transport.abort()
        else:
            await self._websocket.close(code, reason)

    def _client_left(self) -> bool:
        """Tell a goodbye of the client (1000, 1001) from a socket that is lost and may be resumed."""
        protocol = self._websocket.protocol
        received = protocol.close_rcvd
        return received is not None and protocol.close_rcvd_then_sent is True and received.code in (1000, 1001)

    async def _write(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                await self._queued.wait()
                await self._wait_while_stalled()
                while self._queue:
                    await self._websocket.send(self._queue[0])
                    self._queue.popleft()
                self._queued.clear()
                self._drained.set()

    def _check_heartbeat(self) -> None:
        """Close a socket from which nothing comes any more (4009)."""
        due_s = self._last_heard_s + _MISSED_BEATS * self._interval_ms / 1000
        if self._clock.now() < due_s:
            self._beat = asyncio.get_running_loop().call_at(due_s, self._check_heartbeat)
            return
        if self._session is not None:
            self._session.resumable = False
        self.close(CloseCode.SESSION_TIMEOUT)

    async def _wait_while_stalled(self) -> None:
        while self._session is not None:
            remaining = self._session.port.stalled_until_s - self._clock.now()
            if remaining <= 0:
                return
            await asyncio.sleep(remaining)

    def _receive(self, message: str | bytes) -> None:
        if self._closing is not None:
            return
        self._last_heard_s = self._clock.now()
        if self._session is not None:
            self._session.counters["received"] += 1
        if isinstance(message, bytes):
            self._receive_binary(message)
            return
        try:
            self._receive_json(decode_json(message))
        except PeerViolation as violation:
            self.close(violation.close_code)
        except WireError:
            self.close(CloseCode.FAILED_TO_DECODE)

    def _receive_binary(self, message: bytes) -> None:
        """Take a DAVE message; what is none is dropped, as the real service does with JSON in a binary frame."""
        session = self._session
        if session is None or not session.room.is_connected(session):
            return
        try:
            op, payload = decode_client_binary(message)
            if op == Op.INVALID_COMMIT_WELCOME and len(payload) == 2:  # some clients send this one as binary too
                invalid = InvalidCommitWelcome(transition_id=int.from_bytes(payload, "big"))
                session.room.receive_dave(session, op, invalid, self._clock.now())
            else:
                session.room.receive_dave(session, op, payload, self._clock.now())
        except WireError:
            session.counters["dropped"] += 1

    def _receive_json(self, message: GatewayMessage) -> None:
        match message.op:
            case Op.HEARTBEAT:
                self._put_json(Op.HEARTBEAT_ACK, HeartbeatAck(t=payload_of(message, Heartbeat).t))
            case Op.IDENTIFY:
                self._refuse_second_identify()
                self._identify(payload_of(message, Identify))
            case Op.RESUME:
                self._refuse_second_identify()
                self._resume(payload_of(message, Resume))
            case op if op in _SERVER_ONLY:
                raise PeerViolation("an opcode of the server", CloseCode.UNKNOWN_OPCODE)
            case _ if self._session is None:
                raise PeerViolation("not identified", CloseCode.NOT_AUTHENTICATED)
            case _:
                self._receive_identified(self._session, message)

    def _receive_identified(self, session: Session, message: GatewayMessage) -> None:
        room = session.room
        match message.op:
            case Op.SELECT_PROTOCOL:
                self._select_protocol(session, message)
            case Op.SPEAKING:
                speaking = payload_of(message, Speaking)
                if speaking.ssrc == session.port.ssrc:
                    room.speak(session, speaking.speaking)
                else:
                    session.counters["foreign_ssrc"] += 1
            case Op.VIDEO:
                room.show(session, payload_of(message, Video))
            case Op.MEDIA_SINK_WANTS:
                room.want(session, payload_of(message, MediaSinkWants))
            case Op.SESSION_UPDATE:
                codecs = payload_of(message, SessionUpdate).codecs
                if codecs is not None:
                    session.port.codecs = CodecTable(codecs)
            case Op.BACKEND_VERSION:
                session.send(Op.BACKEND_VERSION, BackendVersion(voice="0.12.0", rtc_worker="0.4.0"))
            case Op.TRANSITION_READY if room.is_connected(session):
                room.receive_dave(session, message.op, payload_of(message, TransitionReady), self._clock.now())
            case Op.INVALID_COMMIT_WELCOME if room.is_connected(session):
                room.receive_dave(session, message.op, payload_of(message, InvalidCommitWelcome), self._clock.now())
            case _:
                session.counters["ignored"] += 1

    def _refuse_second_identify(self) -> None:
        if self._session is not None:
            raise PeerViolation("identified twice", CloseCode.ALREADY_AUTHENTICATED)

    def _identify(self, identify: Identify) -> None:
        if self._version == 9 and identify.channel_id is None:
            raise PeerViolation("version 9 wants a channel_id", CloseCode.BAD_REQUEST)
        session = self._registry.open_session(identify, self._version)
        self._session = session
        session.link = self
        session.send(
            Op.READY,
            Ready(
                ssrc=session.port.ssrc,
                ip=str(self._websocket.local_address[0]),
                port=self._registry.udp_port,
                modes=tuple(available_modes()),
                experiments=(),
                streams=session.streams,
            ),
        )
        session.room.enter(session)

    def _resume(self, resume: Resume) -> None:
        if self._version == 9 and resume.channel_id is None:
            raise PeerViolation("version 9 wants a channel_id", CloseCode.BAD_REQUEST)
        session = self._registry.resumable_session(resume)
        former, session.link = session.link, self
        if former is not None:
            former.close(CloseCode.SESSION_NO_LONGER_VALID)
        self._session = session
        session.lost_at_s = None
        session.counters["resumes"] += 1
        # op 9 comes first: some clients ignore binary messages until they have it
        self._put_json(Op.RESUMED, Resumed())
        self._registry.resumed(session, session.replay(resume.last_seen))

    def _select_protocol(self, session: Session, message: GatewayMessage) -> None:
        _refuse_other_protocols(message)
        selected = payload_of(message, SelectProtocol)
        try:
            mode = TransportMode(selected.data.mode)
        except ValueError as error:
            raise PeerViolation("unknown mode", CloseCode.UNKNOWN_ENCRYPTION_MODE) from error
        transport = Transport(mode)
        session.port.codecs = CodecTable(selected.codecs or ())
        session.send(
            Op.SESSION_DESCRIPTION,
            SessionDescription(
                mode=mode,
                secret_key=tuple(transport.key),
                dave_protocol_version=session.room.service.version_for(session.dave_version),
                audio_codec="opus",
                video_codec=session.port.codecs.preferred_video(),
                media_session_id=session.media_session_id,
            ),
        )
        session.port.transport = transport
        self._registry.session_described(session, (selected.data.address, selected.data.port))

    def _put_json(self, op: Op, payload: Payload) -> None:
        self.put(encode_json(op, payload))


def _requested_version(websocket: ServerConnection) -> int:
    """Return `v` of the URL whatever its path, 0 if there is none."""
    request = websocket.request
    values = parse_qs(urlsplit(request.path).query).get("v", []) if request is not None else []
    return int(values[0]) if values and values[0].isascii() and values[0].isdigit() else 0


def _refuse_other_protocols(message: GatewayMessage) -> None:
    """WebRTC has another shape of `data`, so look at the name first."""
    protocol = message.data.get("protocol") if isinstance(message.data, dict) else None
    if protocol != "udp":
        raise PeerViolation("only udp is spoken here", CloseCode.UNKNOWN_PROTOCOL)
