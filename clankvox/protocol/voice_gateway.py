"""The conversation with a voice gateway (version 9): handshake, heartbeats, resumes, and what the server announces.

Phases:

    opening ── opened ──> greeting ── hello / identify ──> identifying ── ready ──> discovering
    discovering ── discovered / select protocol ──> selecting ── session description ──> ready
    any ── violation, or three unanswered heartbeats ──> closed
    ready, closed ── begin_resume, on another socket ──> resuming ── hello / resume, resumed ──> ready

Sans-IO: every method takes the instant `now` and returns effects, to be carried out in order; none raises, whatever
the server sends. After each call you must call `poll` again at `next_poll`. The handshake's deadline is the caller's.
Not thread-safe: the connection actor owns it.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from ipaddress import ip_address
from random import Random
from typing import Final, NoReturn, TypeVar

from clankvox.errors import PeerViolation, WireError
from clankvox.ids import Role, Ssrc
from clankvox.protocol import heartbeat
from clankvox.protocol.close_codes import Recovery
from clankvox.protocol.gateway_effects import (
    CloseSocket,
    DaveMessage,
    Discover,
    Effect,
    SendText,
    SessionReady,
    SessionResumed,
)
from clankvox.protocol.gateway_news import news_of
from clankvox.protocol.session_offer import (
    MAX_DAVE_VERSION,
    SessionCredentials,
    identify,
    resume,
    select_protocol,
)
from clankvox.wire.gateway_ops import (
    ExecuteTransition,
    GatewayMessage,
    Heartbeat,
    HeartbeatAck,
    Hello,
    Op,
    Payload,
    PrepareEpoch,
    PrepareTransition,
    Ready,
    SessionDescription,
    decode_json,
    decode_server_binary,
    encode_json,
    payload_of,
    payload_of_server,
)
from clankvox.wire.seq import seq_delta
from clankvox.wire.transport_crypto import TransportMode, UnsupportedMode, choose_mode

EARLY_MESSAGES: Final = 256
"""DAVE messages held before the session description; later ones are dropped and counted. A server sends one or two."""
EARLY_BYTES: Final = 1 << 20
CLOSE_TO_RESUME: Final = 4900
"""Ours, of the range for private use (RFC 6455 section 7.4.2): 1000 would end the session that we want to resume."""
MIN_FIRST_BEAT: Final = 0.5

_DAVE_PAYLOADS: Final[dict[int, type[PrepareTransition | ExecuteTransition | PrepareEpoch]]] = {
    Op.PREPARE_TRANSITION: PrepareTransition,
    Op.EXECUTE_TRANSITION: ExecuteTransition,
    Op.PREPARE_EPOCH: PrepareEpoch,
}
_DAVE_BINARY: Final = frozenset({Op.MLS_EXTERNAL_SENDER, Op.MLS_PROPOSALS, Op.MLS_ANNOUNCE_COMMIT, Op.MLS_WELCOME})
_SOCKETS_OWN: Final = frozenset({Op.HELLO, Op.HEARTBEAT, Op.HEARTBEAT_ACK, Op.RESUMED})
"""What is about the socket and not about the session is never told twice."""
_SEQUENCE_MASK: Final = 0xFFFF

_P = TypeVar("_P", bound=Payload)


class Phase(StrEnum):
    """Where the handshake stands: what is awaited, or whether all is said."""

    OPENING = "opening"
    GREETING = "greeting"
    IDENTIFYING = "identifying"
    DISCOVERING = "discovering"
    SELECTING = "selecting"
    READY = "ready"
    RESUMING = "resuming"
    """The session stands, on another socket that has not confirmed it yet (op 9)."""
    CLOSED = "closed"


class Ignored(StrEnum):
    """Why a message changed nothing."""

    MALFORMED_TEXT = "malformed_text"
    MALFORMED_BINARY = "malformed_binary"
    MALFORMED_PAYLOAD = "malformed_payload"
    UNKNOWN_OP = "unknown_op"
    UNEXPECTED = "unexpected"
    """A step of the handshake that was not awaited, such as a second session description."""
    WRONG_ACK = "wrong_ack"
    EARLY_OVERFLOW = "early_overflow"
    REPEATED = "repeated"
    """Told again behind a resume, although we had said that we have it."""


class VoiceGateway:
    """One session's conversation. Speaking, members and video are told as they come, DAVE messages from READY on."""

    def __init__(
        self,
        credentials: SessionCredentials,
        role: Role,
        modes: Collection[TransportMode] = tuple(TransportMode),
        rng: Random | None = None,
    ) -> None:
        """Speak for `role`, selecting among `modes`; `rng` moves the first heartbeat ahead (none: a full interval)."""
        self._credentials = credentials
        self._role = role
        self._modes = modes
        self._rng = rng
        self._phase = Phase.OPENING
        self._beats: heartbeat.Heartbeat | None = None
        self._server: Ready | None = None
        self._mode: TransportMode | None = None
        self._seq_ack = -1
        self._described = False
        self._replayed_from: int | None = None
        """Number up to which a replay repeats what we have; None once something newer has come."""
        self._early: list[DaveMessage] = []
        self._early_bytes = 0
        self._ignored: Counter[Ignored] = Counter()
        self._handlers: dict[int, Callable[[GatewayMessage], list[Effect]]] = {
            Op.READY: self._on_ready,
            Op.SESSION_DESCRIPTION: self._on_session_description,
            Op.RESUMED: self._on_resumed,
            Op.PREPARE_TRANSITION: self._on_dave,
            Op.EXECUTE_TRANSITION: self._on_dave,
            Op.PREPARE_EPOCH: self._on_dave,
        }

    @property
    def phase(self) -> Phase:
        """Where the handshake stands."""
        return self._phase

    @property
    def session_established(self) -> bool:
        """Whether the handshake is complete and the socket not given up."""
        return self._phase is Phase.READY

    @property
    def resumable(self) -> bool:
        """Whether there is a session to go on with on another socket, whatever became of this one."""
        return self._described

    @property
    def mode(self) -> TransportMode | None:
        """The transport encryption that was selected, None before the server's ready."""
        return self._mode

    @property
    def seq_ack(self) -> int:
        """Number of the last numbered message of the server, -1 before any."""
        return self._seq_ack

    @property
    def rtt_s(self) -> float | None:
        """Round-trip time of the last answered heartbeat in seconds."""
        return None if self._beats is None else self._beats.rtt_s

    @property
    def ignored(self) -> Mapping[Ignored, int]:
        """How many messages changed nothing, by cause."""
        return self._ignored

    def resume_message(self) -> str:
        """Return op 7, which continues this session on another socket. It holds credentials: never log it."""
        return encode_json(Op.RESUME, resume(self._credentials, self._seq_ack))

    def begin_resume(self) -> None:
        """Go on with a `resumable` session on another socket, which greets first; its beats begin anew."""
        self._phase = Phase.RESUMING
        self._beats = None
        self._replayed_from = self._seq_ack if self._seq_ack >= 0 else None

    def opened(self, now: float) -> list[Effect]:  # noqa: ARG002 - every fact comes with its instant
        """Note that the socket is open; the server speaks first."""
        if self._phase is Phase.OPENING:
            self._phase = Phase.GREETING
        return []

    def feed_text(self, text: str, now: float) -> list[Effect]:
        """Take a text frame of the server."""
        if self._phase is Phase.CLOSED:
            return []
        try:
            message = decode_json(text)
        except WireError:
            return self._ignore(Ignored.MALFORMED_TEXT)
        if message.seq is not None and message.op not in _SOCKETS_OWN and self._is_repeated(message.seq):
            return self._ignore(Ignored.REPEATED)
        if message.seq is not None and message.op != Op.HELLO:  # who greets does not know yet which session it is
            self._seq_ack = message.seq
        try:
            return self._dispatch(message, now)
        except PeerViolation as violation:
            return self._close(violation.close_code, str(violation), Recovery.NEW_SESSION)
        except UnsupportedMode:
            return self._close(1002, "unsupported_encryption_mode", Recovery.TERMINAL)
        except WireError:
            return self._ignore(Ignored.MALFORMED_PAYLOAD)

    def feed_binary(self, data: bytes, now: float) -> list[Effect]:  # noqa: ARG002 - every fact comes with its instant
        """Take a binary frame of the server."""
        if self._phase is Phase.CLOSED:
            return []
        try:
            message = decode_server_binary(data)
        except WireError:
            return self._ignore(Ignored.MALFORMED_BINARY)
        if self._is_repeated(message.seq):
            return self._ignore(Ignored.REPEATED)
        self._seq_ack = message.seq
        if message.op not in _DAVE_BINARY:
            return self._ignore(Ignored.UNKNOWN_OP)
        return self._deliver(DaveMessage(Op(message.op), message.payload))

    def discovered(self, address: str, port: int, now: float) -> list[Effect]:  # noqa: ARG002 - as above
        """Take our public UDP address, the answer to Discover."""
        if self._phase is not Phase.DISCOVERING or self._server is None or self._mode is None:
            return self._ignore(Ignored.UNEXPECTED)
        self._phase = Phase.SELECTING
        select = select_protocol(self._role, self._mode, self._server, address, port)
        return [SendText(encode_json(Op.SELECT_PROTOCOL, select))]

    def poll(self, now: float) -> list[Effect]:
        """Do what is due: a heartbeat, or the verdict that the server does not answer."""
        if self._phase is Phase.CLOSED or self._beats is None:
            return []
        nonce = self._beats.poll(now)
        if self._beats.lost:
            return self._close(CLOSE_TO_RESUME, "heartbeat_timeout", Recovery.RESUME)
        return [] if nonce is None else [self._beat(nonce)]

    def doubt(self, now: float) -> list[Effect]:
        """Ask whether the server is still reached, with a verdict in 5 s: the network is not what it was."""
        return [] if self._beats is None or self._phase is Phase.CLOSED else [self._beat(self._beats.doubted(now))]

    def next_poll(self) -> float | None:
        """Instant at which `poll` has something to do; None before the server's hello and after the end."""
        return None if self._beats is None or self._phase is Phase.CLOSED else self._beats.next_poll()

    def _dispatch(self, message: GatewayMessage, now: float) -> list[Effect]:
        match message.op:
            case Op.HELLO:
                return self._on_hello(message, now)
            case Op.HEARTBEAT:
                return self._on_heartbeat(now)
            case Op.HEARTBEAT_ACK:
                return self._on_heartbeat_ack(message, now)
        handler = self._handlers.get(message.op)
        if handler is not None:
            return handler(message)
        return news_of(message) or self._ignore(Ignored.UNKNOWN_OP)

    def _is_repeated(self, seq: int) -> bool:
        """Tell what a replay repeats from what is new: a commit or a Welcome must not be processed twice."""
        if self._replayed_from is None:
            return False
        repeated = seq_delta(seq & _SEQUENCE_MASK, self._replayed_from & _SEQUENCE_MASK) <= 0
        if not repeated:
            self._replayed_from = None
        return repeated

    # the handshake

    def _on_hello(self, message: GatewayMessage, now: float) -> list[Effect]:
        if self._phase not in {Phase.OPENING, Phase.GREETING, Phase.RESUMING} or self._beats is not None:
            return self._ignore(Ignored.UNEXPECTED)
        hello = _required(message, Hello)
        fraction = 1.0 if self._rng is None else self._rng.uniform(MIN_FIRST_BEAT, 1.0)
        self._beats = heartbeat.Heartbeat(hello.heartbeat_interval, now, fraction)
        if self._phase is Phase.RESUMING:
            return [SendText(self.resume_message())]
        self._phase = Phase.IDENTIFYING
        return [SendText(encode_json(Op.IDENTIFY, identify(self._credentials)))]

    def _on_ready(self, message: GatewayMessage) -> list[Effect]:
        if self._phase is not Phase.IDENTIFYING:
            return self._ignore(Ignored.UNEXPECTED)
        ready = _required(message, Ready, payload_of_server)
        if not _is_ip(ready.ip) or not ready.port:
            _violated("no_media_address")
        self._mode = choose_mode([mode for mode in ready.modes if mode in self._modes])
        self._server = ready
        self._phase = Phase.DISCOVERING
        return [Discover(ready.ip, ready.port, Ssrc(ready.ssrc))]

    def _on_session_description(self, message: GatewayMessage) -> list[Effect]:
        if self._phase is not Phase.SELECTING or self._server is None:
            return self._ignore(Ignored.UNEXPECTED)
        session = _required(message, SessionDescription, payload_of_server)
        if session.mode != self._mode:
            _violated("encryption_mode_not_selected")
        # Absent is not 0: media may go in clear only where the server really negotiated that.
        if session.dave_protocol_version is None or session.dave_protocol_version > MAX_DAVE_VERSION:
            _violated("dave_version_not_offered")
        self._phase = Phase.READY
        self._described = True
        ready = SessionReady(
            ssrc=Ssrc(self._server.ssrc),
            mode=self._mode,
            secret_key=session.key,
            dave_version=session.dave_protocol_version,
            streams=self._server.streams or (),
            ip=self._server.ip,
            port=self._server.port,
            video_codec=session.video_codec,
            keyframe_interval_ms=session.keyframe_interval,
        )
        early, self._early = self._early, []
        return [ready, *early]

    def _on_resumed(self, _message: GatewayMessage) -> list[Effect]:
        """Op 9: the session stands; what the server had said meanwhile follows."""
        if self._phase is not Phase.RESUMING or self._beats is None:
            return self._ignore(Ignored.UNEXPECTED)
        self._phase = Phase.READY
        return [SessionResumed()]

    # liveness

    def _on_heartbeat(self, now: float) -> list[Effect]:
        if self._beats is None:
            return self._ignore(Ignored.UNEXPECTED)
        return [self._beat(self._beats.demanded(now))]

    def _on_heartbeat_ack(self, message: GatewayMessage, now: float) -> list[Effect]:
        if self._beats is None:
            return self._ignore(Ignored.UNEXPECTED)
        if not self._beats.acknowledged(payload_of(message, HeartbeatAck).t, now):
            return self._ignore(Ignored.WRONG_ACK)
        return []

    def _beat(self, nonce: int) -> SendText:
        seq_ack = None if self._seq_ack < 0 else self._seq_ack
        return SendText(encode_json(Op.HEARTBEAT, Heartbeat(t=nonce, seq_ack=seq_ack)))

    def _on_dave(self, message: GatewayMessage) -> list[Effect]:
        return self._deliver(DaveMessage(Op(message.op), payload_of(message, _DAVE_PAYLOADS[message.op])))

    def _deliver(self, message: DaveMessage) -> list[Effect]:
        """Hand on a DAVE message, not before the session description: there is no DAVE session earlier."""
        if self._described:
            return [message]
        size = len(message.payload) if isinstance(message.payload, bytes) else 0
        if len(self._early) >= EARLY_MESSAGES or self._early_bytes + size > EARLY_BYTES:
            return self._ignore(Ignored.EARLY_OVERFLOW)
        self._early.append(message)
        self._early_bytes += size
        return []

    def _ignore(self, cause: Ignored) -> list[Effect]:
        self._ignored[cause] += 1
        return []

    def _close(self, code: int, reason: str, recovery: Recovery) -> list[Effect]:
        self._phase = Phase.CLOSED
        self._early.clear()
        return [CloseSocket(code, reason, recovery)]


def _required(
    message: GatewayMessage, wanted: type[_P], read: Callable[[GatewayMessage, type[_P]], _P] = payload_of
) -> _P:
    """Read a payload without which the handshake cannot go on."""
    try:
        return read(message, wanted)
    except WireError as error:
        raise PeerViolation(f"malformed_op_{message.op}") from error


def _violated(reason: str) -> NoReturn:
    raise PeerViolation(reason)


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
