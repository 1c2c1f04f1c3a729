"""What the three connection roles share: one link to a voice server, from WebSocket to session.

A session belongs to one attempt, and every WebSocket that serves it has a number of its own out of the same count. News
of older sockets and timers are dropped by their number, so that a dead socket can never speak for the living one.

A session whose WebSocket is lost is resumed on another one (op 7): UDP, keys, counters, the DAVE group and all who send
or receive keep what they have and hear nothing of it. What they want to say on the gateway meanwhile is kept in order.
"""

import logging
from abc import abstractmethod
from collections.abc import Iterable
from random import Random
from typing import Final, NamedTuple

from clankvox.actors.base import Surroundings
from clankvox.actors.media_link import MediaLinkActor
from clankvox.ids import Attempt, ChannelId, UserId, next_attempt, video_address
from clankvox.media.packet_sealer import PacketSealer
from clankvox.media.receive import ReceivePipeline
from clankvox.messages.connection import (
    DeadlineReached,
    DiscoveryPoll,
    DiscoveryReplied,
    FarewellDue,
    GatewayPoll,
    KeepaliveDue,
    OfSession,
    OfSocket,
    PongReceived,
    PublishPathTaken,
    ReadOutDue,
    ResumeDue,
    SendGatewayBinary,
    SendGatewayJson,
    SendSpeaking,
    SocketBinary,
    SocketLost,
    SocketOpened,
    SocketText,
    UdpLost,
)
from clankvox.messages.dave import (
    ConnectionResumed,
    DaveOpReceived,
    GroupNews,
    MemberDisconnected,
    MembersConnected,
    SessionNegotiated,
)
from clankvox.messages.video import VideoLinkReady, VideoStateAnnounced
from clankvox.ports import UdpPort, WebSocketPort
from clankvox.protocol import gateway_effects as effects
from clankvox.protocol.backoff import AttemptBudget, Backoff
from clankvox.protocol.close_codes import BUDGETS, ClosePolicy, Recovery, policy_for
from clankvox.protocol.endpoint import voice_url
from clankvox.protocol.resumption import Resumption
from clankvox.protocol.session_offer import SessionCredentials
from clankvox.protocol.voice_gateway import CLOSE_TO_RESUME, Phase, VoiceGateway
from clankvox.wire import gateway_ops
from clankvox.wire.transport_crypto import TransportMode

_log = logging.getLogger("clankvox.connection")

HANDSHAKE_DEADLINE_S: Final = 15.0
"""One deadline over DNS, TCP, TLS, handshake, IP discovery and session description."""
CLOSE_NORMAL: Final = 1000
_STANDING: Final = frozenset({gateway_ops.Op.SPEAKING, gateway_ops.Op.VIDEO, gateway_ops.Op.MEDIA_SINK_WANTS})
LinkMessage = OfSocket | OfSession | SendSpeaking


class Shells(NamedTuple):
    """The sockets of one role and what runs on its UDP thread."""

    web_socket: WebSocketPort
    udp: UdpPort
    pipeline: ReceivePipeline


class Server(NamedTuple):
    """Where one link goes, and as whom."""

    endpoint: str
    credentials: SessionCredentials

    def __repr__(self) -> str:
        """Never show credentials."""
        return "Server(...)"


class LinkActor(MediaLinkActor):
    """Owns one role's link. What becomes of it is decided in its subclasses."""

    def __init__(
        self, surroundings: Surroundings, shells: Shells, modes: tuple[TransportMode, ...], rng: Random
    ) -> None:
        super().__init__(surroundings, shells.udp, shells.pipeline, rng)
        self._mode: TransportMode | None = None
        """The transport encryption of the last link, also when the server refused it."""
        self._web_socket = shells.web_socket
        self._modes = modes
        self._last_number = Attempt(surroundings.first_number)
        self._socket = Attempt(0)
        """Number of the WebSocket that is open or opening."""
        self._standing: dict[int, str] = {}
        """What holds until it is said otherwise, as it was said last, by opcode."""
        self._gateway: VoiceGateway | None = None
        self._gateway_poll_at: float | None = None
        self._server: Server | None = None
        self._url = ""
        self._members: set[UserId] = set()
        self._resumption: Resumption | None = None
        """Present while the session's WebSocket is being replaced."""
        self._resumes = AttemptBudget(*BUDGETS[Recovery.RESUME])
        self._backoff = Backoff(rng)

    @abstractmethod
    def _on_session_ready(self, session: effects.SessionReady, sealer: PacketSealer) -> None:
        """Take the machine to ready and tell who must know; the link is complete."""

    @abstractmethod
    def _on_link_lost(self, policy: ClosePolicy, reason: str) -> None:
        """Decide what becomes of a link that is gone; it is closed already."""

    @abstractmethod
    def _on_socket_lost(self, reason: str) -> None:
        """Note that the session goes on without a WebSocket, until `_on_session_resumed` or until the link is lost."""

    @abstractmethod
    def _on_session_resumed(self) -> None:
        """Note that all is as before."""

    def _on_video_effect(
        self, effect: effects.VideoAnnounced | effects.WantsAnnounced | effects.SessionUpdated
    ) -> None:
        """Act on what the server says of video: a receiving role hands on what others send, and sends none itself."""
        if isinstance(effect, effects.VideoAnnounced):
            announced = VideoStateAnnounced(attempt=self._attempt, user_id=effect.user_id, video=effect.video)
            self.send(video_address(self._address.role), announced)

    def _on_path_taken(self) -> None:
        """Note that the publish actor sends on this link; only the role that publishes has to do with it."""

    def let_go(self) -> None:
        """Leave no socket open: an heir begins with its own."""
        self._close_link()

    # --- opening and closing ---

    def _open_link(self, server: Server) -> None:
        """Begin a new attempt; raises InvalidRequest for an endpoint that is not allowed."""
        self._url = voice_url(server.endpoint)
        self._attempt = self._next_number()
        self._server = server
        self._gateway = VoiceGateway(server.credentials, self._address.role, self._modes, self._rng)
        self._resumes = AttemptBudget(*BUDGETS[Recovery.RESUME])
        self._members.clear()
        self._standing.clear()
        self._connect_socket(self._attempt, HANDSHAKE_DEADLINE_S)

    def _connect_socket(self, number: Attempt, patience_s: float) -> None:
        self._socket = number
        self._gateway_poll_at = None
        self._web_socket.connect(number, self._url, patience_s)
        self.later(patience_s, DeadlineReached(attempt=number))

    def _close_link(self, code: int = CLOSE_NORMAL) -> None:
        """End the attempt, and its sockets with it."""
        self._end_session()
        self._hang_up(code)

    def _end_session(self) -> None:
        """End the attempt: nothing of it is heard any more, and no PCM follows once this returns.

        What leaves by its sockets still does, until `_hang_up`.
        """
        self._attempt = self._socket = self._next_number()
        if self._gateway is not None:
            self._mode = self._gateway.mode
        self._gateway = None
        self._resumption = None
        self._stop_hearing()

    def _hang_up(self, code: int = CLOSE_NORMAL) -> None:
        """Close the sockets."""
        self._udp.close()
        self._web_socket.close(code)

    def _next_number(self) -> Attempt:
        self._last_number = next_attempt(self._last_number)
        return self._last_number

    def _has_session(self) -> bool:
        return self._gateway is not None and self._gateway.resumable

    def _is_talking(self) -> bool:
        return self._gateway is not None and self._gateway.session_established

    # --- messages of the link ---

    def _on_link_message(self, message: LinkMessage) -> None:
        """Act on a message of the current attempt; anything older is dropped."""
        if isinstance(message, SendSpeaking):
            if message.ssrc == self._ssrc and self._has_session():
                self._speaks = message.flags != 0
                self._send_json(
                    gateway_ops.Op.SPEAKING, gateway_ops.Speaking(speaking=message.flags, ssrc=self._ssrc, delay=0)
                )
            return
        gateway = self._gateway
        current = self._socket if isinstance(message, OfSocket) else self._attempt
        if message.attempt != current or gateway is None:
            return
        if isinstance(message, OfSocket):
            self._on_socket_message(message, gateway, self._clock.now())
        else:
            self._on_session_message(message)

    def _on_socket_message(self, message: OfSocket, gateway: VoiceGateway, now: float) -> None:
        match message:
            case SocketOpened():
                self._carry_out(gateway.opened(now))
            case SocketText(text=text):
                self._carry_out(gateway.feed_text(text, now))
            case SocketBinary(data=data):
                self._carry_out(gateway.feed_binary(data, now))
            case GatewayPoll():
                self._gateway_poll_at = None
                self._carry_out(gateway.poll(now))
            case SocketLost(close_code=code, reason=reason):
                policy = policy_for(code)
                self._lose_socket(policy, reason if code is None else policy.name)
            case DeadlineReached():
                if gateway.phase is not Phase.READY:
                    self._lose_socket(policy_for(None), "handshake_timeout")
            case ResumeDue():
                self._try_resume(gateway, now)

    def _on_session_message(self, message: OfSession) -> None:
        match message:
            case UdpLost(reason=reason):
                self._on_udp_lost(reason)
            case DiscoveryReplied(address=address, port=port):
                self._on_discovery_reply(address, port)
            case DiscoveryPoll():
                self._poll_discovery()
            case KeepaliveDue():
                self._on_keepalive_due()
            case FarewellDue():
                self._farewells.farewell_due(message)
            case ReadOutDue():
                self._farewells.read_out_due(message)
            case PongReceived(counter=counter):
                self._on_pong(counter)
            case SendGatewayJson(op=op, payload=payload):
                self._send_json(op, payload)
            case SendGatewayBinary(op=op, payload=payload):
                self._say(gateway_ops.encode_client_binary(op, payload))
            case PublishPathTaken():
                self._on_path_taken()

    def _carry_out(self, wanted: Iterable[effects.Effect]) -> None:
        socket = self._socket
        for effect in wanted:
            if socket != self._socket:
                return
            self._act(effect)
        self._schedule_gateway_poll()

    def _act(self, effect: effects.Effect) -> None:
        match effect:
            case effects.SendText(text=text):
                self._web_socket.send(text)
            case effects.SendBinary(data=data):
                self._web_socket.send(data)
            case effects.Discover():
                self._begin_discovery(effect)
            case effects.SessionReady():
                self._complete(effect)
            case effects.SessionResumed():
                self._end_resume()
            case effects.DaveMessage(op=op, payload=payload):
                self._to_dave(DaveOpReceived(attempt=self._attempt, op=op, payload=payload))
            case effects.SpeakingAnnounced():
                self._on_speaking(effect)
            case effects.MembersConnected(user_ids=users):
                for user in users:
                    self._farewells.end(user)
                self._members.update(users)
                self._to_dave(MembersConnected(attempt=self._attempt, user_ids=tuple(users)))
            case effects.MemberDisconnected(user_id=user):
                self._on_member_gone(user)
            case effects.CloseSocket(code=code, reason=reason, recovery=recovery):
                policy = ClosePolicy(None, recovery, reason, "The voice server did not answer as it should.")
                self._lose_socket(policy, reason, code)
            case effects.VideoAnnounced() | effects.WantsAnnounced() | effects.SessionUpdated():
                self._on_video_effect(effect)

    def _schedule_gateway_poll(self) -> None:
        due = self._gateway.next_poll() if self._gateway is not None else None
        if due is not None and due != self._gateway_poll_at:
            self._gateway_poll_at = due
            self.at(due, GatewayPoll(attempt=self._socket))

    def _lose(self, policy: ClosePolicy, reason: str, close_with: int = CLOSE_NORMAL) -> None:
        self._close_link(close_with)
        self._on_link_lost(policy, reason)

    # --- resume ---

    def _lose_socket(self, policy: ClosePolicy, reason: str, close_with: int = CLOSE_NORMAL) -> None:
        """Go on with the session on another socket if it and the close allow that; else the link is lost."""
        if policy.recovery is not Recovery.RESUME or self._gateway is None or not self._gateway.resumable:
            self._lose(policy, reason, close_with)
            return
        now, first = self._clock.now(), self._resumption is None
        if self._resumption is None:
            self._resumption = Resumption(now, self._resumes, self._backoff)
        due = self._resumption.next_try(now)
        if due is None:
            self._lose(policy, reason, close_with)
            return
        self._socket = self._next_number()
        self._gateway.begin_resume()
        self._web_socket.close(CLOSE_TO_RESUME)
        self.at(due, ResumeDue(attempt=self._socket))
        if first:
            self._on_socket_lost(reason)

    def _try_resume(self, gateway: VoiceGateway, now: float) -> None:
        if self._resumption is not None and gateway.phase is Phase.RESUMING:
            self._connect_socket(self._socket, self._resumption.patience_s(now))

    def _end_resume(self) -> None:
        """Say what was kept, in its order, behind the server's word and before anything newer.

        Then what holds until it is said otherwise: it may have gone down with the socket, and nobody would ask for it.
        """
        resumption, self._resumption = self._resumption, None
        kept = resumption.take_kept() if resumption is not None else []
        for frame in [*kept, *(frame for frame in self._standing.values() if frame not in kept)]:
            self._web_socket.send(frame)
        self._on_session_resumed()
        self._to_dave(ConnectionResumed(attempt=self._attempt))

    def _say(self, frame: str | bytes) -> None:
        """Send a frame of the session, or keep it until there is a socket to send it on."""
        if self._resumption is None:
            self._web_socket.send(frame)
        elif not self._resumption.keep(frame):
            self._lose(policy_for(None), "resume_overflow")

    def _on_address_known(self, address: str, port: int) -> None:
        if self._gateway is not None:
            self._carry_out(self._gateway.discovered(address, port, self._clock.now()))

    # --- session, members ---

    def _complete(self, session: effects.SessionReady) -> None:
        sealer = PacketSealer(session.mode, session.secret_key)
        self._pipeline.open_with(sealer)
        attempt = self._attempt
        self._on_session_ready(session, sealer)
        if attempt == self._attempt:
            self._begin_keepalive()

    def _announce_no_video(self) -> None:
        """Send the op 12 without which a server takes and sends no video at all (observed)."""
        nothing = gateway_ops.Video(audio_ssrc=self._ssrc, video_ssrc=0, rtx_ssrc=0, streams=())
        self._send_json(gateway_ops.Op.VIDEO, nothing)

    def _watch_video(self) -> None:
        self.send(video_address(self._address.role), VideoLinkReady(attempt=self._attempt))

    def _negotiate_dave(self, session: effects.SessionReady, user_id: UserId, group_id: ChannelId) -> None:
        self._to_dave(
            SessionNegotiated(
                attempt=self._attempt,
                connection_id=self._connection_id(),
                user_id=user_id,
                group_id=group_id,
                version=session.dave_version,
                members=tuple(self._members),
            )
        )

    def _to_dave(self, news: GroupNews) -> None:
        self._farewells.pass_on(self._attempt, news)

    def _on_member_gone(self, user: UserId) -> None:
        self._members.discard(user)
        self._speaking.discard(user)
        self._to_dave(MemberDisconnected(attempt=self._attempt, user_id=user))
        self._farewells.bid(self._attempt, user)

    def _send_json(self, op: int, payload: gateway_ops.Payload) -> None:
        frame = gateway_ops.encode_json(gateway_ops.Op(op), payload)
        if op in _STANDING:
            self._standing[op] = frame
        self._say(frame)
