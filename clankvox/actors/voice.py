"""The voice role: joins, leaves and moves as the parent and its gateway say, and stays in the call."""

import logging
from collections.abc import Callable
from random import Random
from typing import Final, assert_never

from msgspec import UNSET, structs

from clankvox.actors.base import Surroundings
from clankvox.actors.connection import CONNECTED, OUT, ConnectionActor
from clankvox.actors.link import Server, Shells
from clankvox.actors.media_link import LADDERS
from clankvox.actors.voice_credentials import Credentials
from clankvox.actors.wish import INTERNAL_ERROR
from clankvox.errors import InvalidRequest
from clankvox.fsm.connection import ConnectionState
from clankvox.ids import PLAYBACK, ChannelId, ConnectionId
from clankvox.media.packet_sealer import PacketSealer
from clankvox.messages.connection import (
    AskDue,
    Close,
    ConnectionOrder,
    CredentialsOverdue,
    Join,
    Leave,
    OutageOverdue,
    RetryDue,
    Revived,
    StreamConnect,
    StreamDisconnect,
    VoiceServerUpdated,
    VoiceStateUpdated,
)
from clankvox.messages.playback import PathOpened, PathSuspended
from clankvox.messages.router import AdapterSendRequested
from clankvox.protocol.backoff import AttemptBudget
from clankvox.protocol.close_codes import BUDGETS, MOVE_WAIT_S, ClosePolicy, Recovery
from clankvox.protocol.gateway_effects import SessionReady
from clankvox.protocol.watchdog import Watchdog
from clankvox.wire import gateway_ops
from clankvox.wire.transport_crypto import TransportMode

_log = logging.getLogger("clankvox.voice")

CREDENTIALS_WAIT_S: Final = 15.0
"""How long a connection that lost its server waits for the gateway to announce another one."""
FALLBACK_WAIT_S: Final = 3.0
"""A re-join of the same channel may bring no new credentials: after this the old ones are tried."""
ANSWER_WAIT_S: Final = 1.0
"""The gateway need not answer op 4 with credentials: after this the ones that we have are tried."""
OUTAGE_LIMIT_S: Final = BUDGETS[Recovery.NEW_SESSION].window_s
"""A lost call is over after so long, however its tries end: a chain of handshakes that time out uses up no budget."""


class VoiceActor(ConnectionActor):
    """The connection to the channel that the parent joined."""

    def __init__(
        self, surroundings: Surroundings, shells: Shells, modes: tuple[TransportMode, ...], rng: Random
    ) -> None:
        super().__init__(surroundings, shells, modes, rng)
        self._offered_modes = modes
        self._join: Join | None = None
        self._credentials = Credentials()
        self._fallback = Credentials()
        self._used: Credentials | None = None
        self._ready_with: Credentials | None = None
        self._tries = 0
        self._outages = 0
        self._outage: int | None = None
        """Number of the loss that is still to be made good."""
        self._budgets: dict[Recovery, AttemptBudget] = {}

    def _on_wait_over(self, wait: AskDue | RetryDue | CredentialsOverdue | OutageOverdue) -> None:
        match wait:
            case AskDue():
                if self._state is ConnectionState.RECONNECTING:
                    self._send_op4()
                    self.later(ANSWER_WAIT_S, RetryDue(attempt=self._attempt))
            case RetryDue():
                if self._state is ConnectionState.RECONNECTING:
                    self._retry()
            case CredentialsOverdue():
                self._on_credentials_overdue()
            case OutageOverdue(outage=outage):
                if outage == self._outage and self._state not in OUT:
                    self._give_up("reconnect_timeout", "The call could not be had again in time.")

    def _connection_id(self) -> ConnectionId | None:
        return self._join.connection_id if self._join is not None else None

    # --- orders ---

    def _carry_out_order(self, order: ConnectionOrder) -> None:
        match order:
            case Join():
                self._on_join(order)
            case Leave(reason=reason):
                self._on_leave(reason, tell_gateway=True)
            case VoiceServerUpdated():
                self._on_voice_server(order)
            case VoiceStateUpdated():
                self._on_voice_state(order)
            case Close(reason=reason):
                self._on_close(reason)
            case StreamConnect() | StreamDisconnect():
                raise ValueError("an order for a stream role")
            case _:
                assert_never(order)

    def _on_join(self, join: Join) -> None:
        if self._state in OUT:
            self._machine.joined()
            self._begin_join(join)
            return
        was = self._state
        self._machine.replaced()
        self._reset("join_replaced_primary_voice", lambda: self._begin_join(join, replaced=was))

    def _begin_join(self, join: Join, replaced: ConnectionState | None = None) -> None:
        if replaced is not None:
            self._report("replaced", replaced, "join_replaced_primary_voice")
        same_channel = self._join is not None and self._join.channel_id == join.channel_id
        early = self._join is None
        self._fallback = self._credentials if same_channel or early else Credentials(user_id=self._credentials.user_id)
        self._credentials = Credentials()
        self._used = self._ready_with = None
        self._join = join
        self._was_ever_ready = False
        self._tries = 0
        self._outage = None
        self._watchdog = Watchdog(LADDERS[self._address.role])
        self._budgets.clear()
        self._modes = self._offered_modes
        self._send_op4()
        self.later(FALLBACK_WAIT_S, CredentialsOverdue(attempt=self._attempt))
        self._settle()

    def _on_leave(self, reason: str, *, tell_gateway: bool) -> None:
        if self._join is None:
            self._settle()
            return
        if tell_gateway:
            self.report(
                AdapterSendRequested(guild_id=self._join.guild_id, channel_id=None, self_mute=self._join.self_mute)
            )
        if self._state in OUT:  # given up: the parent knows the rest, and its gateway may still think we are there
            self._forget_join()
            return
        was = self._state
        self._machine.left()
        self._reset(reason, lambda: self._after_leave(was, reason))

    def _after_leave(self, was: ConnectionState, reason: str) -> None:
        self._report("left", was, reason)
        self._forget_join()

    def _forget_join(self) -> None:
        self._join = None
        self._credentials = Credentials()
        self._settle()

    def _on_close(self, reason: str) -> None:
        if self._state in OUT:
            self._join = None  # its end was told already
        self._machine.close()
        self._reset(reason, self._settle)

    def _on_revived(self, revival: Revived) -> None:
        """See ConnectionActor: a session is made as after a back-off, for the old one is closed."""
        for order in revival.orders:
            match order:
                case Join():
                    self._join = order
                case VoiceServerUpdated(endpoint=endpoint, token=token):
                    self._credentials = self._credentials.with_server(endpoint, token)
                case VoiceStateUpdated(session_id=str() as session_id):
                    self._credentials = self._credentials.with_session(session_id)
            if isinstance(order, VoiceStateUpdated) and isinstance(order.user_id, int):
                self._credentials = self._credentials.with_user(order.user_id)
        if not (self._credentials.complete or revival.quietly or revival.was_linked):
            self._machine.joined()
            self._send_op4()
            return
        self._machine.revived()
        if revival.quietly:
            return
        self._was_ever_ready = True
        self._report("connection_lost", ConnectionState.IDLE, INTERNAL_ERROR, awaits_move=revival.awaits_move)
        self._freeze()
        if revival.awaits_move:
            self.later(MOVE_WAIT_S, CredentialsOverdue(attempt=self._attempt))
            return
        self._send_op4()
        self._tries = 1
        self.later(self._backoff.delay_s(self._tries), RetryDue(attempt=self._attempt))

    # --- what the parent's gateway says ---

    def _on_voice_server(self, update: VoiceServerUpdated) -> None:
        if self._join is not None and update.guild_id not in (None, self._join.guild_id):
            self._settle()
            return
        self._credentials = self._credentials.with_server(update.endpoint, update.token)
        if self._is_linked() and self._credentials.server != (self._used.server if self._used else None):
            self._move("voice_server_changed" if self._credentials.has_server else "voice_server_cleared")
        self._connect_if_complete()
        self._settle()

    def _on_voice_state(self, update: VoiceStateUpdated) -> None:
        if self._is_foreign(update):
            self._settle()
            return
        if update.channel_id is None:
            self._on_leave("gateway_voice_state_left", tell_gateway=False)
            return
        linked = self._is_linked()
        backing_off = not linked and self._state is ConnectionState.RECONNECTING and self._credentials.complete
        if update.channel_id is not UNSET and self._join is not None and update.channel_id != self._join.channel_id:
            self._on_channel_moved(update.channel_id)
        if update.session_id is not UNSET:
            self._credentials = self._credentials.with_session(update.session_id)
        if update.user_id is not UNSET:
            self._credentials = self._credentials.with_user(update.user_id)
        if self._is_linked() and self._used is not None and self._credentials.identity != self._used.identity:
            known = self._credentials.has_identity
            self._move("session_id_changed" if known else "voice_state_cleared")
        if not backing_off:  # the gateway repeats our state with every op 4; that is nothing fresh
            self._connect_if_complete()
        self._settle()

    def _is_foreign(self, update: VoiceStateUpdated) -> bool:
        """Tell whether the update is about a guild that we did not join (private calls name none)."""
        guild = update.guild_id
        return self._join is not None and guild is not UNSET and guild is not None and guild != self._join.guild_id

    def _on_channel_moved(self, channel_id: ChannelId) -> None:
        """Follow a move: the token of the old channel is worth nothing, unless a newer one came before this news.

        The one that we were ready with is the old channel's.
        """
        assert self._join is not None  # noqa: S101 - the caller has compared its channel
        self._join = structs.replace(self._join, channel_id=channel_id)
        if self._ready_with is not None and self._credentials.server == self._ready_with.server:
            self._credentials = self._credentials.with_server(None, None)
        if self._is_linked():
            self._move("voice_channel_changed")
        elif self._state is ConnectionState.RECONNECTING and not self._credentials.has_server:
            self._wait_for_server()

    def _is_linked(self) -> bool:
        """Tell whether there is a link to leave, if only one whose session is being resumed."""
        return self._state in CONNECTED or self._resumption is not None

    def _move(self, reason: str) -> None:
        """Leave this server for another one; the parent sees a reconnection, never an end."""
        self._close_link()
        self._suspend(reason)
        self.later(CREDENTIALS_WAIT_S, CredentialsOverdue(attempt=self._attempt))

    def _wait_for_server(self) -> None:
        """Begin the wait anew: that we were moved is certain now, and the news of the server may come behind it."""
        self._close_link()
        self.later(CREDENTIALS_WAIT_S, CredentialsOverdue(attempt=self._attempt))

    def _connect_if_complete(self) -> None:
        if self._state not in (ConnectionState.AWAITING_CREDENTIALS, ConnectionState.RECONNECTING):
            return
        if self._credentials.complete and self._resumption is None:
            self._connect(self._machine.credentials_completed)

    def _on_credentials_overdue(self) -> None:
        """Try what we had before; if there is nothing, a lost connection is over and a new one goes on waiting."""
        if self._state is ConnectionState.AWAITING_CREDENTIALS:
            merged = self._credentials.or_else(self._fallback)
            if merged.complete:
                self._credentials = merged
                self._connect(self._machine.credentials_completed)
        elif self._state is ConnectionState.RECONNECTING:
            self._give_up("no_voice_server", "No new voice server was announced in time.")

    # --- the link ---

    def _connect(self, event: Callable[[], object]) -> None:
        assert self._join is not None  # noqa: S101 - nothing is complete without a join
        self._used = self._credentials
        session = self._credentials.for_gateway(self._join.guild_id, self._join.channel_id)
        event()
        try:
            self._open_link(Server(self._credentials.endpoint or "", session))
        except InvalidRequest as refusal:
            self._give_up("endpoint_not_allowed", str(refusal))

    def _on_session_ready(self, session: SessionReady, sealer: PacketSealer) -> None:
        was = self._state
        self._machine.session_ready()
        self._tries = 0
        self._outage = None
        self._ready_with = self._used
        self._was_ever_ready = True
        self._report("session_ready", was, "")
        self._announce_no_video()
        self._send_json(gateway_ops.Op.SPEAKING, gateway_ops.Speaking(speaking=0, ssrc=session.ssrc, delay=0))
        self._watch_video()
        assert self._join is not None  # noqa: S101 - a session belongs to a join
        assert self._used is not None  # noqa: S101 - and to credentials
        assert self._used.user_id is not None  # noqa: S101 - which were complete
        self._negotiate_dave(session, self._used.user_id, self._join.channel_id)
        self.send(PLAYBACK, PathOpened(ssrc=session.ssrc, sealer=sealer))

    def _on_link_lost(self, policy: ClosePolicy, name: str) -> None:
        fields = {"close_code": policy.code, "recovery": str(policy.recovery), "reason": name}
        _log.info("voice link lost", extra={"fields": fields})
        match policy.recovery:
            case Recovery.TERMINAL:
                self._give_up(name, policy.sentence)
            case Recovery.WAIT_FOR_MOVE:
                self._credentials = self._credentials.with_server(None, None)
                self._suspend(name, awaits_move=True)
                self.later(MOVE_WAIT_S, CredentialsOverdue(attempt=self._attempt))
            case Recovery.FRESH_CREDENTIALS:
                self._credentials = self._credentials.with_server(None, None)
                self._reconnect(policy, name, wait_s=CREDENTIALS_WAIT_S)
            case Recovery.OTHER_MODE:
                self._modes = tuple(mode for mode in self._modes if mode is not self._mode)
                self._reconnect(policy, name)
            case Recovery.RESUME | Recovery.NEW_SESSION | Recovery.NEW_SESSION_LIMITED:
                self._reconnect(policy, name)
            case _:
                assert_never(policy.recovery)

    def _reconnect(self, policy: ClosePolicy, name: str, wait_s: float | None = None) -> None:
        """Ask for credentials (one op 4) and identify anew, as often as the policy's budget allows.

        The first op 4 leaves at once, all others after a back-off: for credentials end any wait, and a gateway that
        answers within milliseconds would let a server that is gone for a second use up all attempts.
        """
        recovery = Recovery.NEW_SESSION if policy.recovery is Recovery.RESUME else policy.recovery
        budget = self._budgets.setdefault(recovery, AttemptBudget(*BUDGETS[recovery]))
        if not self._modes or not budget.spend(self._clock.now()):
            self._give_up(name, policy.sentence)
            return
        self._suspend(name)
        self._tries += 1
        if wait_s is not None:
            self._send_op4()
            self.later(wait_s, CredentialsOverdue(attempt=self._attempt))
        elif self._tries == 1:
            self._send_op4()
            self.later(self._backoff.delay_s(self._tries), RetryDue(attempt=self._attempt))
        else:
            self.later(self._backoff.delay_s(self._tries), AskDue(attempt=self._attempt))

    def _retry(self) -> None:
        if self._credentials.complete:
            self._connect(self._machine.retry_due)
        else:
            self.later(CREDENTIALS_WAIT_S, CredentialsOverdue(attempt=self._attempt))

    def _suspend(self, reason: str, *, awaits_move: bool = False) -> None:
        """Freeze what plays and listens until there is another session."""
        was = self._state
        resumed_in_vain = was is ConnectionState.RECONNECTING
        if resumed_in_vain:
            self._machine.resume_failed()
        else:
            self._machine.connection_lost(cause=reason)
        self._report("resume_failed" if resumed_in_vain else "connection_lost", was, reason, awaits_move=awaits_move)
        self._freeze()

    def _freeze(self) -> None:
        self._begin_outage()
        self.send(PLAYBACK, PathSuspended())
        self._tell_suspended()

    def _begin_outage(self) -> None:
        if self._outage is None:
            self._outages += 1
            self._outage = self._outages
            self.later(OUTAGE_LIMIT_S, OutageOverdue(outage=self._outages))

    def _give_up(self, reason: str, sentence: str) -> None:
        """End the call for good: the error first, then the endings, no reconnection and no op 4."""
        was = self._state
        self._machine.gave_up(cause=reason)
        self._report("gave_up", was, reason, detail=sentence)
        self._reset(reason, lambda: None)

    def _send_op4(self) -> None:
        if self._join is not None:
            self.report(
                AdapterSendRequested(
                    connection_id=self._join.connection_id,
                    guild_id=self._join.guild_id,
                    channel_id=self._join.channel_id,
                    self_mute=self._join.self_mute,
                )
            )
