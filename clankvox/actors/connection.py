"""What the three connection roles share beside their link: the machine, the parent's orders, and the reset.

One order at a time takes effect, and each is answered with Settled. A reset sends a baton round all actors of the
role, so that the endings of an old connection precede everything of the next one.
"""

from abc import abstractmethod
from collections.abc import Callable
from random import Random
from typing import Final

from clankvox.actors.base import Surroundings
from clankvox.actors.link import LinkActor, Shells
from clankvox.fsm.connection import ConnectionMachine, ConnectionState
from clankvox.ids import dave_address, video_address
from clankvox.messages.common import Inspect, ResetBaton
from clankvox.messages.connection import (
    AskDue,
    Close,
    ConnectionMessage,
    ConnectionOrder,
    CredentialsOverdue,
    Join,
    Leave,
    OutageOverdue,
    ResetOverdue,
    RetryDue,
    Revived,
    SessionLost,
    StreamConnect,
    StreamDisconnect,
    TransitionPrepared,
    TransitionSettled,
    VoiceServerUpdated,
    VoiceStateUpdated,
)
from clankvox.messages.dave import ConnectionSuspended
from clankvox.messages.router import ConnectionReported, ResetRequested, Settled, StreamsSuspended
from clankvox.messages.video import VideoLinkLost
from clankvox.protocol.close_codes import ClosePolicy, Recovery
from clankvox.wire.transport_crypto import TransportMode

RESET_DEADLINE_S: Final = 1.0
"""The reset baton takes microseconds; if an actor on its way is gone, the call goes on without it."""

OUT: Final = frozenset({ConnectionState.IDLE, ConnectionState.CLOSED})
CONNECTED: Final = frozenset({ConnectionState.CONNECTING, ConnectionState.READY, ConnectionState.DAVE_TRANSITION})
"""Where a link is up or coming up."""

Continuation = Callable[[], None]


class ConnectionActor(LinkActor):
    """One role's connection. What the role makes of it is in its subclass."""

    def __init__(
        self, surroundings: Surroundings, shells: Shells, modes: tuple[TransportMode, ...], rng: Random
    ) -> None:
        super().__init__(surroundings, shells, modes, rng)
        self._machine = ConnectionMachine(self._observe)
        self._was_ever_ready = False
        self._tickets = surroundings.first_number
        self._after_reset: Continuation | None = None
        self._deferred: list[ConnectionOrder] = []

    def begin(self) -> None:
        """Leave nothing open that a predecessor, who failed, had opened."""
        self._close_link()

    def handle(self, message: ConnectionMessage | Inspect) -> object:
        """See BaseActor."""
        match message:
            case (
                Join()
                | Leave()
                | VoiceServerUpdated()
                | VoiceStateUpdated()
                | StreamConnect()
                | StreamDisconnect()
                | Close()
            ):
                self._take_order(message)
            case ResetBaton(ticket=ticket) | ResetOverdue(ticket=ticket):
                self._on_reset_done(ticket)
            case AskDue(attempt=attempt) | RetryDue(attempt=attempt) | CredentialsOverdue(attempt=attempt):
                if attempt == self._attempt:
                    self._on_wait_over(message)
            case OutageOverdue():
                self._on_wait_over(message)
            case Revived():
                self._on_revived(message)
            case SessionLost(reason=reason):
                if self._gateway is not None:
                    self._on_session_lost(reason)
            case TransitionPrepared(attempt=attempt):
                if attempt == self._attempt and self._state is ConnectionState.READY:
                    self._machine.transition_prepared()
            case TransitionSettled(attempt=attempt):
                if attempt == self._attempt and self._state is ConnectionState.DAVE_TRANSITION:
                    self._machine.transition_settled()
            case Inspect():
                return {"state": str(self._state), "attempt": self._attempt}
            case _:
                self._on_link_message(message)
        return None

    @property
    def _state(self) -> ConnectionState:
        return ConnectionState(self._machine.current_state_value)

    @abstractmethod
    def _carry_out_order(self, order: ConnectionOrder) -> None:
        """Do what the parent wants, and settle."""

    @abstractmethod
    def _on_revived(self, revival: Revived) -> None:
        """Go on with the connection of a predecessor that failed, as with one that was lost."""

    def _on_session_lost(self, reason: str) -> None:
        """Make another session: the group of this one is lost for an error of ours."""
        self._lose(ClosePolicy(None, Recovery.NEW_SESSION, reason, "An internal error occurred."), reason)

    def _on_wait_over(self, wait: AskDue | RetryDue | CredentialsOverdue | OutageOverdue) -> None:
        """Go on after a wait; a role that never waits has nothing to do."""

    # --- orders: one at a time, each answered with Settled ---

    def _take_order(self, order: ConnectionOrder) -> None:
        if self._after_reset is not None:
            self._deferred.append(order)
        else:
            self._carry_out_order(order)

    def _settle(self) -> None:
        self.report(Settled())

    def _reset(self, reason: str, then: Continuation) -> None:
        """Send the baton round, then go on with `then`; orders that come meanwhile wait.

        The sockets are closed behind it, so that the silence that ends what is said leaves before the close frame.
        """
        self._end_session()
        self._tickets += 1
        self._after_reset = then
        self.report(
            ResetRequested(
                ticket=self._tickets, role=self._address.role, reason=reason, connection_id=self._connection_id()
            )
        )
        self.later(RESET_DEADLINE_S, ResetOverdue(ticket=self._tickets))

    def _on_reset_done(self, ticket: int) -> None:
        if ticket != self._tickets or self._after_reset is None:
            return
        then, self._after_reset = self._after_reset, None
        self._hang_up()
        then()
        while self._deferred and self._after_reset is None:
            self._carry_out_order(self._deferred.pop(0))

    def _doubt_socket(self) -> None:
        if self._gateway is not None:
            self._carry_out(self._gateway.doubt(self._clock.now()))

    def _on_socket_lost(self, reason: str) -> None:
        was = self._state
        self._machine.connection_lost(cause=reason)
        self._report("connection_lost", was, reason, media_goes_on=True)

    def _on_session_resumed(self) -> None:
        was = self._state
        self._machine.session_resumed()
        self._report("session_resumed", was, "")

    def _tell_suspended(self) -> None:
        """Tell all who live on the link that it is gone and comes back; playback and publish have their own words."""
        role = self._address.role
        self.send(video_address(role), VideoLinkLost())
        self.send(dave_address(role), ConnectionSuspended())
        self.report(StreamsSuspended(role=role))

    def _report(
        self,
        event: str,
        was: ConnectionState,
        reason: str,
        detail: str = "",
        *,
        media_goes_on: bool = False,
        awaits_move: bool = False,
    ) -> None:
        self.report(
            ConnectionReported(
                role=self._address.role,
                connection_id=self._connection_id(),
                event=event,
                was=was,
                now=self._state,
                reason=reason,
                detail=detail,
                was_ever_ready=self._was_ever_ready,
                media_goes_on=media_goes_on,
                awaits_move=awaits_move,
            )
        )
