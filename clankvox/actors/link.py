"""What the three connection roles share: one link to a voice server, from WebSocket to session.

A link belongs to one attempt. News of an older attempt's sockets and timers are dropped by their number, so that a
dead socket can never speak for the living one.
"""

import logging
from abc import abstractmethod
from collections.abc import Iterable
from random import Random
from typing import Final, NamedTuple

from clankvox.actors.base import BaseActor, Surroundings
from clankvox.errors import TransportLost
from clankvox.ids import (
    Attempt,
    ChannelId,
    ConnectionId,
    Ssrc,
    UserId,
    capture_address,
    dave_address,
    next_attempt,
    video_address,
)
from clankvox.media.packet_sealer import PacketSealer
from clankvox.media.receive import ReceivePipeline
from clankvox.messages.capture import MemberGone
from clankvox.messages.common import Inspect
from clankvox.messages.connection import (
    ConnectionMessage,
    DeadlineReached,
    DiscoveryPoll,
    DiscoveryReplied,
    GatewayPoll,
    KeepaliveDue,
    PongReceived,
    SendGatewayBinary,
    SendGatewayJson,
    SendSpeaking,
    SocketBinary,
    SocketLost,
    SocketOpened,
    SocketText,
    UdpLost,
)
from clankvox.messages.dave import DaveOpReceived, MemberDisconnected, MembersConnected, SessionNegotiated
from clankvox.messages.video import VideoLinkReady, VideoMemberGone, VideoStateAnnounced
from clankvox.ports import UdpPort, WebSocketPort
from clankvox.protocol import gateway_effects as effects
from clankvox.protocol.close_codes import ClosePolicy, policy_for
from clankvox.protocol.discovery import DiscoverySchedule, DiscoveryStep
from clankvox.protocol.endpoint import voice_url
from clankvox.protocol.voice_gateway import Phase, SessionCredentials, VoiceGateway
from clankvox.wire import gateway_ops
from clankvox.wire.ip_discovery import build_ping, build_request
from clankvox.wire.transport_crypto import TransportMode

_log = logging.getLogger("clankvox.connection")

HANDSHAKE_DEADLINE_S: Final = 15.0
"""One deadline over DNS, TCP, TLS, handshake, IP discovery and session description."""
KEEPALIVE_S: Final = 5.0
"""A NAT may forget a silent UDP flow after 30 s; every client sends about every 5 s."""
CLOSE_NORMAL: Final = 1000
LinkMessage = (
    SocketOpened
    | SocketText
    | SocketBinary
    | SocketLost
    | UdpLost
    | DiscoveryReplied
    | PongReceived
    | DeadlineReached
    | GatewayPoll
    | DiscoveryPoll
    | KeepaliveDue
    | SendSpeaking
    | SendGatewayJson
    | SendGatewayBinary
)


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


class LinkActor(BaseActor[ConnectionMessage | Inspect]):
    """Owns one role's link. What becomes of it is decided in its subclasses."""

    def __init__(
        self, surroundings: Surroundings, shells: Shells, modes: tuple[TransportMode, ...], rng: Random
    ) -> None:
        super().__init__(surroundings)
        self._rng = rng
        self._mode: TransportMode | None = None
        """The transport encryption of the last link, also when the server refused it."""
        self._web_socket = shells.web_socket
        self._udp = shells.udp
        self._pipeline = shells.pipeline
        self._modes = modes
        self._attempt = Attempt(0)
        self._gateway: VoiceGateway | None = None
        self._gateway_poll_at: float | None = None
        self._discovery: DiscoverySchedule | None = None
        self._ssrc = Ssrc(0)
        self._keepalives = 0
        self._server: Server | None = None
        self._members: set[UserId] = set()

    @abstractmethod
    def _on_session_ready(self, session: effects.SessionReady, sealer: PacketSealer) -> None:
        """Take the machine to ready and tell who must know; the link is complete."""

    @abstractmethod
    def _on_link_lost(self, policy: ClosePolicy, reason: str) -> None:
        """Decide what becomes of a link that is gone; it is closed already."""

    def _on_video_effect(
        self, effect: effects.VideoAnnounced | effects.WantsAnnounced | effects.SessionUpdated
    ) -> None:
        """Act on what the server says of video: a receiving role hands on what others send, and sends none itself."""
        if isinstance(effect, effects.VideoAnnounced):
            announced = VideoStateAnnounced(attempt=self._attempt, user_id=effect.user_id, video=effect.video)
            self.send(video_address(self._address.role), announced)

    @abstractmethod
    def _connection_id(self) -> ConnectionId | None:
        """Return the parent's name for this connection."""

    def let_go(self) -> None:
        """Leave no socket open: an heir begins with its own."""
        self._close_link()

    # --- opening and closing ---

    def _open_link(self, server: Server) -> None:
        """Begin a new attempt; raises InvalidRequest for an endpoint that is not allowed."""
        url = voice_url(server.endpoint)
        self._attempt = next_attempt(self._attempt)
        self._server = server
        self._gateway = VoiceGateway(server.credentials, self._address.role, self._modes, self._rng)
        self._gateway_poll_at = None
        self._members.clear()
        self._web_socket.connect(self._attempt, url, HANDSHAKE_DEADLINE_S)
        self.later(HANDSHAKE_DEADLINE_S, DeadlineReached(attempt=self._attempt))

    def _close_link(self, code: int = CLOSE_NORMAL) -> None:
        """End the attempt: nothing of it is heard any more, and no PCM follows once this returns."""
        self._attempt = next_attempt(self._attempt)
        if self._gateway is not None:
            self._mode = self._gateway.mode
        self._gateway = None
        self._discovery = None
        self._udp.close()
        self._pipeline.detach()
        self._web_socket.close(code)

    # --- messages of the link ---

    def _on_link_message(self, message: LinkMessage) -> None:
        """Act on a message of the current attempt; anything older is dropped."""
        if isinstance(message, SendSpeaking):
            if message.ssrc == self._ssrc and self._gateway is not None:
                self._send_json(
                    gateway_ops.Op.SPEAKING, gateway_ops.Speaking(speaking=message.flags, ssrc=self._ssrc, delay=0)
                )
            return
        gateway = self._gateway
        if message.attempt != self._attempt or gateway is None:
            return
        now = self._clock.now()
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
                self._lose(policy, reason if code is None else policy.name)
            case UdpLost(reason=reason):
                self._lose(policy_for(None), reason)
            case DeadlineReached():
                if gateway.phase is not Phase.READY:
                    self._lose(policy_for(None), "handshake_timeout")
            case DiscoveryReplied(address=address, port=port):
                self._on_discovery_reply(gateway, address, port, now)
            case DiscoveryPoll():
                self._poll_discovery()
            case KeepaliveDue():
                self._send_keepalive()
            case SendGatewayJson(op=op, payload=payload):
                self._send_json(op, payload)
            case SendGatewayBinary(op=op, payload=payload):
                self._web_socket.send(gateway_ops.encode_client_binary(op, payload))
            case PongReceived():
                pass

    def _carry_out(self, wanted: Iterable[effects.Effect]) -> None:
        attempt = self._attempt
        for effect in wanted:
            if attempt != self._attempt:
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
            case effects.DaveMessage(op=op, payload=payload):
                self._to_dave(DaveOpReceived(attempt=self._attempt, op=op, payload=payload))
            case effects.SpeakingAnnounced(user_id=user, ssrc=ssrc):
                self._pipeline.hint(ssrc, user)
            case effects.MembersConnected(user_ids=users):
                self._members.update(users)
                self._to_dave(MembersConnected(attempt=self._attempt, user_ids=tuple(users)))
            case effects.MemberDisconnected(user_id=user):
                self._on_member_gone(user)
            case effects.CloseSocket(code=code, reason=reason, recovery=recovery):
                self._lose(
                    ClosePolicy(None, recovery, reason, "The voice server did not answer as it should."), reason, code
                )
            case effects.VideoAnnounced() | effects.WantsAnnounced() | effects.SessionUpdated():
                self._on_video_effect(effect)

    def _schedule_gateway_poll(self) -> None:
        due = self._gateway.next_poll() if self._gateway is not None else None
        if due is not None and due != self._gateway_poll_at:
            self._gateway_poll_at = due
            self.at(due, GatewayPoll(attempt=self._attempt))

    def _lose(self, policy: ClosePolicy, reason: str, close_with: int = CLOSE_NORMAL) -> None:
        self._close_link(close_with)
        self._on_link_lost(policy, reason)

    # --- IP discovery, keepalive ---

    def _begin_discovery(self, effect: effects.Discover) -> None:
        self._ssrc = effect.ssrc
        self._pipeline.attach(self._attempt, effect.ssrc)
        self._udp.open(self._attempt, effect.ip, effect.port, self._pipeline)
        self._discovery = DiscoverySchedule(self._clock.now())
        self._poll_discovery()

    def _poll_discovery(self) -> None:
        if self._discovery is None:
            return
        match self._discovery.poll(self._clock.now()):
            case DiscoveryStep.SEND:
                self._send_datagram(build_request(self._ssrc))
            case DiscoveryStep.FAIL:
                self._lose(policy_for(None), "ip_discovery_timeout")
                return
            case DiscoveryStep.WAIT:
                pass
        due = self._discovery.next_poll()
        if due is not None:
            self.at(due, DiscoveryPoll(attempt=self._attempt))

    def _on_discovery_reply(self, gateway: VoiceGateway, address: str, port: int, now: float) -> None:
        if self._discovery is None:
            return
        self._discovery = None
        self._carry_out(gateway.discovered(address, port, now))

    def _send_keepalive(self) -> None:
        self._keepalives += 1
        self._send_datagram(build_ping(self._keepalives & 0xFFFF_FFFF))
        self.later(KEEPALIVE_S, KeepaliveDue(attempt=self._attempt))

    def _send_datagram(self, datagram: bytes) -> None:
        try:
            self._udp.send(datagram)
        except TransportLost:
            _log.info("datagram not sent", extra={"fields": {"role": str(self._address.role)}})

    # --- session, members ---

    def _complete(self, session: effects.SessionReady) -> None:
        sealer = PacketSealer(session.mode, session.secret_key)
        self._pipeline.open_with(sealer)
        attempt = self._attempt
        self._on_session_ready(session, sealer)
        if attempt == self._attempt:
            self._send_keepalive()

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

    def _on_member_gone(self, user: UserId) -> None:
        self._members.discard(user)
        self._to_dave(MemberDisconnected(attempt=self._attempt, user_id=user))
        self._pipeline.forget_user(user)
        self.send(capture_address(user, self._address.role), MemberGone())
        self.send(video_address(self._address.role), VideoMemberGone(user_id=user))

    def _to_dave(self, message: SessionNegotiated | DaveOpReceived | MembersConnected | MemberDisconnected) -> None:
        self.send(dave_address(self._address.role), message)

    def _send_json(self, op: int, payload: gateway_ops.Payload) -> None:
        self._web_socket.send(gateway_ops.encode_json(gateway_ops.Op(op), payload))
