"""The machine of our own Go Live stream's source."""

from enum import StrEnum

from statemachine import Event
from statemachine.states import States

from clankvox.fsm.base import StrictMachine


class PublishState(StrEnum):
    """Where the published source is."""

    IDLE = "idle"
    """Nothing is to be published."""
    WAITING = "waiting"
    """A source is wanted, and there is no connection for it."""
    PLAYING = "playing"
    """The source runs on a connection; whether packets may leave already is DAVE's business."""
    PAUSED = "paused"
    """Held by the parent, with a connection."""
    PAUSED_WAITING = "paused_waiting"
    """Held by the parent, and there is no connection."""


class PublishMachine(StrictMachine):
    """Life of a source. A connection that comes back finds its source again; a stopped source is forgotten."""

    s = States.from_enum(PublishState, initial=PublishState.IDLE, use_enum_instance=True)

    source_started = Event(s.IDLE.to(s.PLAYING) | s.PLAYING.to.itself() | s.PAUSED.to(s.PLAYING))
    source_queued = Event(s.IDLE.to(s.WAITING) | s.WAITING.to.itself() | s.PAUSED_WAITING.to(s.WAITING))
    path_opened = Event(
        s.IDLE.to.itself()
        | s.WAITING.to(s.PLAYING)
        | s.PLAYING.to.itself()
        | s.PAUSED.to.itself()
        | s.PAUSED_WAITING.to(s.PAUSED)
    )
    path_closed = Event(
        s.IDLE.to.itself()
        | s.WAITING.to.itself()
        | s.PLAYING.to(s.WAITING)
        | s.PAUSED.to(s.PAUSED_WAITING)
        | s.PAUSED_WAITING.to.itself()
    )
    paused = Event(s.PLAYING.to(s.PAUSED) | s.WAITING.to(s.PAUSED_WAITING))
    resumed = Event(s.PAUSED.to(s.PLAYING) | s.PAUSED_WAITING.to(s.WAITING))
    source_ended = Event(
        s.PLAYING.to(s.IDLE) | s.PAUSED.to(s.IDLE) | s.WAITING.to(s.IDLE) | s.PAUSED_WAITING.to(s.IDLE)
    )
    source_failed = Event(
        s.PLAYING.to(s.IDLE) | s.PAUSED.to(s.IDLE) | s.WAITING.to(s.IDLE) | s.PAUSED_WAITING.to(s.IDLE)
    )
    stopped = Event(
        s.IDLE.to.itself()
        | s.PLAYING.to(s.IDLE)
        | s.PAUSED.to(s.IDLE)
        | s.WAITING.to(s.IDLE)
        | s.PAUSED_WAITING.to(s.IDLE)
    )
