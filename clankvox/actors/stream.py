"""What both stream roles share: a second connection, beside the voice call, to the servers of one Go Live stream.

The parent brings complete credentials, which serve for another session where the server has ended the one before, or
where no resume has brought it back. If that fails too, the connection is over: others have to come from the parent.
Nothing here touches the voice role.
"""

import logging
from abc import abstractmethod
from typing import Final

from clankvox.actors.connection import OUT, ConnectionActor
from clankvox.actors.link import Server
from clankvox.actors.wish import INTERNAL_ERROR
from clankvox.errors import InvalidRequest
from clankvox.fsm.connection import ConnectionState
from clankvox.ids import ConnectionId
from clankvox.media.packet_sealer import PacketSealer
from clankvox.messages.connection import (
    AskDue,
    Close,
    ConnectionOrder,
    CredentialsOverdue,
    OutageOverdue,
    RetryDue,
    Revived,
    StreamConnect,
    StreamDisconnect,
)
from clankvox.protocol.backoff import AttemptBudget
from clankvox.protocol.close_codes import BUDGETS, ClosePolicy, Recovery
from clankvox.protocol.gateway_effects import SessionReady
from clankvox.protocol.session_offer import SessionCredentials
from clankvox.wire.transport_crypto import TransportMode

_log = logging.getLogger("clankvox.stream")

_REPLACED: Final = "stream_replaced"
_ANEW: Final = frozenset({Recovery.RESUME, Recovery.NEW_SESSION, Recovery.NEW_SESSION_LIMITED})


class StreamActor(ConnectionActor):
    """The connection to a stream's server; its machine is the voice role's, without waiting for credentials."""

    _order: StreamConnect | None = None
    _sessions: AttemptBudget
    """Sessions that may be begun anew with the credentials of the order."""
    _retries = 0
    """How often nobody has answered since there was a session."""
    _refused: tuple[TransportMode, ...] = ()
    """Transport encryption that the server of this order refused."""

    @abstractmethod
    def _open_media(self, session: SessionReady, sealer: PacketSealer) -> None:
        """Let media flow; the machine is ready and the parent knows."""

    @abstractmethod
    def _close_media(self, *, wanted: bool) -> None:
        """Stop media before the link goes; `wanted` if the parent asked for it."""

    def _connection_id(self) -> ConnectionId | None:
        return None  # streams have no name of the parent's: their role is enough

    def _carry_out_order(self, order: ConnectionOrder) -> None:
        match order:
            case StreamConnect():
                self._on_connect(order)
            case StreamDisconnect(reason=reason):
                self._on_disconnect(reason)
            case Close(reason=reason):
                self._on_close(reason)
            case _:
                raise ValueError("an order for the voice role")

    def _on_connect(self, order: StreamConnect) -> None:
        if self._state in OUT:
            self._machine.joined()
            self._begin(order)
            return
        self._machine.replaced()
        self._close_media(wanted=False)
        self._reset(_REPLACED, lambda: self._begin(order))

    def _on_revived(self, revival: Revived) -> None:
        """See ConnectionActor: the parent's credentials are tried once more."""
        (order,) = revival.orders
        assert isinstance(order, StreamConnect)  # noqa: S101 - a stream role has no others
        self._accept(order)
        self._machine.revived()
        if not revival.quietly:
            self._try_again(order, ConnectionState.IDLE, INTERNAL_ERROR)

    def _on_session_lost(self, reason: str) -> None:
        """See ConnectionActor: nobody has refused the parent's credentials, so they are tried once more as well."""
        self._close_link()
        self._begin_anew(reason)

    def _begin_anew(self, reason: str, wait_s: float = 0.0) -> None:
        assert self._order is not None  # noqa: S101 - a session belongs to an order
        was = self._state
        if was is ConnectionState.RECONNECTING:
            self._machine.resume_failed()
        else:
            self._machine.connection_lost(cause=reason)
        self._try_again(self._order, was, reason, wait_s)

    def _try_again(self, order: StreamConnect, was: ConnectionState, reason: str, wait_s: float = 0.0) -> None:
        self._report("connection_lost", was, reason)
        self._close_media(wanted=False)
        self._tell_suspended()
        if wait_s:
            self.later(wait_s, RetryDue(attempt=self._attempt))
        else:
            self._connect(order)

    def _on_wait_over(self, wait: AskDue | RetryDue | CredentialsOverdue | OutageOverdue) -> None:
        """See ConnectionActor: the server, or the way to it, had time to come back."""
        if isinstance(wait, RetryDue) and self._order is not None and self._state is ConnectionState.RECONNECTING:
            self._connect(self._order)

    def _begin(self, order: StreamConnect) -> None:
        self._accept(order)
        self._connect(order)
        self._settle()

    def _accept(self, order: StreamConnect) -> None:
        self._order = order
        self._was_ever_ready = False
        self._retries = 0
        self._modes, self._refused = (*self._modes, *self._refused), ()
        self._sessions = AttemptBudget(*BUDGETS[Recovery.NEW_SESSION_LIMITED])

    def _connect(self, order: StreamConnect) -> None:
        was = self._state
        self._machine.credentials_completed()
        self._report("credentials_completed", was, "")
        credentials = SessionCredentials(
            server_id=order.server_id,
            channel_id=order.channel_id,
            user_id=order.user_id,
            session_id=order.session_id,
            token=order.token,
        )
        try:
            self._open_link(Server(order.endpoint, credentials))
        except InvalidRequest as refusal:
            self._give_up("endpoint_not_allowed", str(refusal))

    def _on_disconnect(self, reason: str) -> None:
        """Answer in any state: the parent is told that nothing is connected, also when nothing was."""
        was = self._state
        if was in OUT:
            self._reset(reason, lambda: self._after_disconnect(was, reason))
            return
        self._close_media(wanted=True)
        self._machine.left()
        self._reset(reason, lambda: self._after_disconnect(was, reason))

    def _after_disconnect(self, was: ConnectionState, reason: str) -> None:
        self._order = None
        self._report("left", was, reason)
        self._settle()

    def _on_close(self, reason: str) -> None:
        if self._state not in OUT:
            self._close_media(wanted=True)
        self._machine.close()
        self._reset(reason, self._settle)

    def _on_session_ready(self, session: SessionReady, sealer: PacketSealer) -> None:
        assert self._order is not None  # noqa: S101 - a session belongs to an order
        was = self._state
        self._machine.session_ready()
        self._was_ever_ready = True
        self._retries = 0
        self._report("session_ready", was, "")
        self._open_media(session, sealer)
        if self._state in OUT:
            return  # what the server wants cannot be done
        self._negotiate_dave(session, self._order.user_id, self._order.group_id)

    def _on_link_lost(self, policy: ClosePolicy, reason: str) -> None:
        fields = {"role": str(self._address.role), "close_code": policy.code, "reason": reason}
        _log.info("stream link lost", extra={"fields": fields})
        anew = policy.recovery in _ANEW and self._was_ever_ready and self._sessions.spend(self._clock.now())
        if policy.recovery is Recovery.OTHER_MODE:
            anew = self._has_other_mode()
        if not anew:
            self._give_up(reason, policy.sentence)
        elif policy.recovery is Recovery.RESUME:  # nobody has answered
            self._retries += 1
            self._begin_anew(reason, self._backoff.delay_s(self._retries))
        else:
            self._begin_anew(reason)

    def _has_other_mode(self) -> bool:
        """Leave out the transport encryption that was refused; tell whether that leaves another one."""
        others = tuple(mode for mode in self._modes if mode is not self._mode)
        if self._mode is None or not others:
            return False
        self._modes, self._refused = others, (self._mode,)
        return True

    def _give_up(self, reason: str, sentence: str) -> None:
        """End this connection: encryption first, as the contract has it, then the transport."""
        was = self._state
        self._close_media(wanted=False)
        self._machine.gave_up(cause=reason)
        self._reset(reason, lambda: self._report("gave_up", was, reason, detail=sentence))
