"""The machine of what is seen on one receiving role."""

from enum import StrEnum

from statemachine import Event
from statemachine.states import States

from clankvox.fsm.base import StrictMachine


class VideoState(StrEnum):
    """Whether anything can be seen on the role."""

    UNLINKED = "unlinked"
    """No session: subscriptions are kept, and nobody could be told of them."""
    LISTENING = "listening"
    """A session, and nobody who is wanted sends video."""
    WATCHING = "watching"
    """A session, and at least one wanted stream is asked for."""


class VideoMachine(StrictMachine):
    """Life of the pictures of one role; which streams are wanted is decided by protocol.remote_video."""

    s = States.from_enum(VideoState, initial=VideoState.UNLINKED, use_enum_instance=True)

    link_ready = Event(s.UNLINKED.to(s.LISTENING) | s.LISTENING.to.itself() | s.WATCHING.to(s.LISTENING))
    streams_wanted = Event(s.LISTENING.to(s.WATCHING))
    nothing_wanted = Event(s.WATCHING.to(s.LISTENING))
    link_lost = Event(s.UNLINKED.to.itself() | s.LISTENING.to(s.UNLINKED) | s.WATCHING.to(s.UNLINKED))
