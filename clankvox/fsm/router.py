"""The machine of the router: the parent's commands take effect in the order in which they were written."""

from enum import StrEnum

from statemachine import Event
from statemachine.states import States

from clankvox.fsm.base import StrictMachine


class RouterState(StrEnum):
    """What the router does with the next command."""

    SERVING = "serving"
    SETTLING = "settling"
    """A command runs through several actors; later commands wait until it has taken effect."""
    STOPPING = "stopping"
    """The process ends; commands are not taken any more."""
    ENDED = "ended"
    """All endings are told, or took too long."""


class RouterMachine(StrictMachine):
    """Order of commands, and the way out."""

    s = States.from_enum(RouterState, initial=RouterState.SERVING, final=RouterState.ENDED, use_enum_instance=True)

    command_forwarded = Event(s.SERVING.to(s.SETTLING))
    command_settled = Event(s.SETTLING.to(s.SERVING))
    stop_requested = Event(s.SERVING.to(s.STOPPING) | s.SETTLING.to(s.STOPPING))
    ended = Event(s.STOPPING.to(s.ENDED))
