"""The machine of a connection role: voice, stream_watch and stream_publish share it."""

from enum import StrEnum

from statemachine import Event
from statemachine.states import States

from clankvox.fsm.base import StrictMachine


class ConnectionState(StrEnum):
    """Where a connection is."""

    IDLE = "idle"
    """Not wanted by the parent."""
    AWAITING_CREDENTIALS = "awaiting_credentials"
    """Wanted; endpoint, token, session or user are still missing."""
    CONNECTING = "connecting"
    """WebSocket, handshake, IP discovery and session description are under way."""
    READY = "ready"
    DAVE_TRANSITION = "dave_transition"
    """Ready, and a DAVE transition is announced that the server has not executed yet."""
    RECONNECTING = "reconnecting"
    """Lost or moved; waiting for a back-off, for fresh credentials, or for the session to go on over another socket."""
    CLOSED = "closed"
    """Given up, or the process ends; only a new join leads out."""


class ConnectionMachine(StrictMachine):
    """Life of one connection; which reason leads where is decided by protocol.close_codes."""

    s = States.from_enum(ConnectionState, initial=ConnectionState.IDLE, use_enum_instance=True)

    joined = Event(s.IDLE.to(s.AWAITING_CREDENTIALS) | s.CLOSED.to(s.AWAITING_CREDENTIALS))
    revived = Event(s.IDLE.to(s.RECONNECTING))
    """The actor of a call failed, and its heir makes a link of its own."""
    replaced = Event(
        s.AWAITING_CREDENTIALS.to.itself()
        | s.CONNECTING.to(s.AWAITING_CREDENTIALS)
        | s.READY.to(s.AWAITING_CREDENTIALS)
        | s.DAVE_TRANSITION.to(s.AWAITING_CREDENTIALS)
        | s.RECONNECTING.to(s.AWAITING_CREDENTIALS)
    )
    credentials_completed = Event(s.AWAITING_CREDENTIALS.to(s.CONNECTING) | s.RECONNECTING.to(s.CONNECTING))
    retry_due = Event(s.RECONNECTING.to(s.CONNECTING))
    session_ready = Event(s.CONNECTING.to(s.READY))
    transition_prepared = Event(s.READY.to(s.DAVE_TRANSITION))
    transition_settled = Event(s.DAVE_TRANSITION.to(s.READY))
    connection_lost = Event(
        s.CONNECTING.to(s.RECONNECTING) | s.READY.to(s.RECONNECTING) | s.DAVE_TRANSITION.to(s.RECONNECTING)
    )
    session_resumed = Event(s.RECONNECTING.to(s.READY))
    resume_failed = Event(s.RECONNECTING.to.itself())
    gave_up = Event(
        s.CONNECTING.to(s.CLOSED) | s.READY.to(s.CLOSED) | s.DAVE_TRANSITION.to(s.CLOSED) | s.RECONNECTING.to(s.CLOSED)
    )
    left = Event(
        s.AWAITING_CREDENTIALS.to(s.IDLE)
        | s.CONNECTING.to(s.IDLE)
        | s.READY.to(s.IDLE)
        | s.DAVE_TRANSITION.to(s.IDLE)
        | s.RECONNECTING.to(s.IDLE)
    )
    close = Event(
        s.IDLE.to(s.CLOSED)
        | s.AWAITING_CREDENTIALS.to(s.CLOSED)
        | s.CONNECTING.to(s.CLOSED)
        | s.READY.to(s.CLOSED)
        | s.DAVE_TRANSITION.to(s.CLOSED)
        | s.RECONNECTING.to(s.CLOSED)
        | s.CLOSED.to.itself()
    )
