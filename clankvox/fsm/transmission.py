"""The machine of one outgoing Opus stream: whether packets leave."""

from enum import StrEnum

from statemachine import Event
from statemachine.states import States

from clankvox.fsm.base import StrictMachine


class Flow(StrEnum):
    """Whether packets leave."""

    CLOSED = "closed"
    """There was no way out yet, or it is gone for good."""
    SUSPENDED = "suspended"
    """The way is lost for now."""
    RESTING = "resting"
    """Nothing is to be sent, or nothing may leave."""
    TICKING = "ticking"
    """Every slot is filled."""


class TransmissionMachine(StrictMachine):
    """Life of a way out, from one talkspurt to the next; a talkspurt ends before its path does."""

    s = States.from_enum(Flow, initial=Flow.CLOSED, use_enum_instance=True)

    path_opened = Event(s.CLOSED.to(s.RESTING) | s.SUSPENDED.to(s.RESTING) | s.RESTING.to.itself())
    path_suspended = Event(s.RESTING.to(s.SUSPENDED) | s.SUSPENDED.to.itself())
    path_closed = Event(s.RESTING.to(s.CLOSED) | s.SUSPENDED.to(s.CLOSED) | s.CLOSED.to.itself())
    talkspurt_begun = Event(s.RESTING.to(s.TICKING))
    talkspurt_ended = Event(s.TICKING.to(s.RESTING))
