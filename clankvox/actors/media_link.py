"""The UDP half of a connection's link: IP discovery, keepalives, and the watchdog on what comes of them.

It outlives the WebSocket: while a session is being resumed, media goes on both ways.
"""

import logging
from abc import abstractmethod
from random import Random
from typing import Final

from clankvox.actors.base import BaseActor, Surroundings
from clankvox.actors.farewells import Farewells
from clankvox.errors import TransportLost
from clankvox.ids import Attempt, ConnectionId, Role, Ssrc, UserId, capture_address, dave_address, video_address
from clankvox.media.receive import ReceivePipeline
from clankvox.messages.capture import MemberGone
from clankvox.messages.common import Inspect
from clankvox.messages.connection import ConnectionMessage, DiscoveryPoll, KeepaliveDue
from clankvox.messages.dave import FramesUndecryptable
from clankvox.messages.router import RecoveryReported
from clankvox.messages.video import VideoMemberGone
from clankvox.ports import UdpPort
from clankvox.protocol import gateway_effects as effects
from clankvox.protocol.backoff import AttemptBudget
from clankvox.protocol.close_codes import ClosePolicy, Recovery, policy_for
from clankvox.protocol.discovery import DiscoverySchedule, DiscoveryStep
from clankvox.protocol.watchdog import LOOK_S, Cause, Step, Watchdog
from clankvox.wire.ip_discovery import build_ping, build_request

_log = logging.getLogger("clankvox.connection")

KEEPALIVE_S: Final = 5.0
"""A NAT may forget a silent UDP flow after 30 s; every client sends about every 5 s."""
_COUNTER_MASK: Final = 0xFFFF_FFFF
_RENEWALS: Final = 2
_RENEWAL_WINDOW_S: Final = 60.0
"""A socket that is lost again and again is no matter of the socket."""

LADDERS: Final = {
    Role.VOICE: tuple(Step),
    Role.STREAM_WATCH: (Step.UDP, Step.DAVE, Step.RESUME),
    Role.STREAM_PUBLISH: (Step.UDP,),
}
"""Only the voice role can ask for a new session (op 4); a publishing role hears nobody, but wants to be seen."""


class MediaLinkActor(BaseActor[ConnectionMessage | Inspect]):
    """Owns one role's UDP socket and what is known of it."""

    def __init__(self, surroundings: Surroundings, udp: UdpPort, pipeline: ReceivePipeline, rng: Random) -> None:
        super().__init__(surroundings)
        self._rng = rng
        self._udp = udp
        self._pipeline = pipeline
        self._attempt = Attempt(0)
        """Number of the session, from its first socket to its last; what belongs to an older one is dropped."""
        self._ssrc = Ssrc(0)
        self._media_address: tuple[str, int] | None = None
        self._discovery: DiscoverySchedule | None = None
        self._keepalives = 0
        self._keepalive_at = 0.0
        """When the next one is due, if those before it were answered."""
        self._answered: int | None = None
        """The last keepalive that was answered, None if this server has answered none yet."""
        self._speaking: set[UserId] = set()
        """Who speaks as by op 5, which many clients never take back."""
        self._speaks = False
        self._farewells = Farewells(
            self._clock,
            pipeline,
            wake_udp=udp.wake,
            later=self.later,
            tell_dave=lambda news: self.send(dave_address(self._address.role), news),
            forget=self._forget_member,
        )
        self._watchdog = Watchdog(LADDERS[self._address.role])
        self._renewals = AttemptBudget(_RENEWALS, _RENEWAL_WINDOW_S)

    @abstractmethod
    def _connection_id(self) -> ConnectionId | None:
        """Return the parent's name for this connection."""

    @abstractmethod
    def _on_address_known(self, address: str, port: int) -> None:
        """Go on with our public address, which the server has told."""

    @abstractmethod
    def _has_session(self) -> bool:
        """Tell whether the handshake was completed, whatever became of its WebSocket."""

    @abstractmethod
    def _is_talking(self) -> bool:
        """Tell whether the session's WebSocket is there."""

    @abstractmethod
    def _doubt_socket(self) -> None:
        """See whether the session's WebSocket still reaches the server."""

    @abstractmethod
    def _lose(self, policy: ClosePolicy, reason: str) -> None:
        """Give up the session."""

    @abstractmethod
    def _lose_socket(self, policy: ClosePolicy, reason: str) -> None:
        """Give up the WebSocket, and the session only if it cannot be resumed."""

    # --- the socket and our address ---

    def _begin_discovery(self, effect: effects.Discover) -> None:
        self._ssrc = effect.ssrc
        self._media_address = (effect.ip, effect.port)
        self._answered = None
        self._speaking.clear()
        self._speaks = False
        self._pipeline.attach(self._attempt, effect.ssrc)
        self._open_udp()

    def _open_udp(self) -> None:
        assert self._media_address is not None  # noqa: S101 - op 2 named it before any of this
        self._udp.open(self._attempt, *self._media_address, self._pipeline)
        self._discovery = DiscoverySchedule(self._clock.now())
        self._poll_discovery()

    def _stop_hearing(self) -> None:
        """Hear nothing more: no PCM follows once this returns."""
        self._farewells.end_all()
        self._discovery = None
        self._pipeline.detach()

    def _poll_discovery(self) -> None:
        if self._discovery is None:
            return
        match self._discovery.poll(self._clock.now()):
            case DiscoveryStep.SEND:
                self._send_datagram(build_request(self._ssrc))
            case DiscoveryStep.FAIL:
                self._on_discovery_failed()
                return
            case DiscoveryStep.WAIT:
                pass
        due = self._discovery.next_poll()
        if due is not None:
            self.at(due, DiscoveryPoll(attempt=self._attempt))

    def _on_discovery_failed(self) -> None:
        """Give up a handshake; in a session this was a step of the watchdog, who sees that it did not help."""
        self._discovery = None
        if not self._has_session():
            self._lose(policy_for(None), "ip_discovery_timeout")

    def _on_discovery_reply(self, address: str, port: int) -> None:
        if self._discovery is None:
            return
        self._discovery = None
        if self._has_session():  # a renewal: the server has learned our address from the request itself
            self._ping()
            self._doubt_socket()  # what took one way to the server, a new network or NAT, may have taken the other
        else:
            self._on_address_known(address, port)

    def _on_udp_lost(self, reason: str) -> None:
        """Keys, SSRC and counters are not the socket's: another one serves them as well."""
        if self._has_session() and self._renewals.spend(self._clock.now()):
            self._report_step(Step.UDP, reason)
            self._open_udp()
        else:
            self._lose(policy_for(None), reason)

    def _send_datagram(self, datagram: bytes) -> None:
        try:
            self._udp.send(datagram)
        except TransportLost:
            _log.info("datagram not sent", extra={"fields": {"role": str(self._address.role)}})

    # --- who speaks, and who is gone ---

    def _on_speaking(self, announced: effects.SpeakingAnnounced) -> None:
        self._pipeline.hint(announced.ssrc, announced.user_id)
        if announced.flags:
            self._speaking.add(announced.user_id)
        else:
            self._speaking.discard(announced.user_id)

    def _forget_member(self, user: UserId) -> None:
        """Tell all who know of a user that he is gone; nothing of him is heard once this returns."""
        self._pipeline.forget_user(user)
        self.send(capture_address(user, self._address.role), MemberGone())
        self.send(video_address(self._address.role), VideoMemberGone(user_id=user))

    # --- keepalive and watchdog ---

    def _begin_keepalive(self) -> None:
        """Say for the first time that we are there; `KeepaliveDue` does it from now on."""
        self._ping()
        self.later(LOOK_S, KeepaliveDue(attempt=self._attempt))

    def _on_keepalive_due(self) -> None:
        attempt = self._attempt
        self._watch()
        if attempt == self._attempt:
            if self._clock.now() >= self._keepalive_at or self._unanswered() > 0 or self._watchdog.fell_silent:
                self._ping()
            self.later(LOOK_S, KeepaliveDue(attempt=attempt))

    def _unanswered(self) -> int:
        """How many keepalives in a row were not answered, by a server that does answer them."""
        return 0 if self._answered is None else self._keepalives - self._answered

    def _ping(self) -> None:
        self._keepalive_at = self._clock.now() + KEEPALIVE_S
        self._keepalives += 1
        self._send_datagram(build_ping(self._keepalives & _COUNTER_MASK))

    def _on_pong(self, counter: int) -> None:
        behind = (self._keepalives - counter) & _COUNTER_MASK
        if behind < self._keepalives - (self._answered or 0):
            self._answered = self._keepalives - behind

    def _watch(self) -> None:
        """Look at what came. While a WebSocket is being replaced, or our address asked for, help is under way."""
        hearing = self._pipeline.hearing()
        verdict = self._watchdog.observe(
            self._clock.now(),
            opened=hearing.opened,
            unopened=hearing.unopened,
            unanswered=self._unanswered(),
            somebody_speaks=self._speaks or bool(self._speaking),
            helped=self._discovery is not None or not self._is_talking(),
        )
        if verdict is not None:
            self._take_step(verdict.step, verdict.cause)

    def _take_step(self, step: Step, cause: Cause) -> None:
        self._report_step(step, cause)
        match step:
            case Step.UDP:
                self._open_udp()
            case Step.DAVE:
                self.send(dave_address(self._address.role), FramesUndecryptable(attempt=self._attempt))
            case Step.RESUME:
                self._lose_socket(policy_for(None), cause)
            case Step.REJOIN:
                rejoin = ClosePolicy(None, Recovery.NEW_SESSION, str(cause), "Nothing is heard although members speak.")
                self._lose(rejoin, rejoin.name)

    def _report_step(self, step: Step, reason: str) -> None:
        _log.warning("recovery", extra={"fields": {"role": str(self._address.role), "step": step, "reason": reason}})
        self.report(
            RecoveryReported(
                role=self._address.role, connection_id=self._connection_id(), step=str(step), reason=str(reason)
            )
        )
