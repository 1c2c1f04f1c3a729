"""The machine of a DAVE manager: who may hear what leaves, as far as the group has come."""

from enum import StrEnum

from statemachine import Event
from statemachine.states import States

from clankvox.fsm.base import StrictMachine


class DaveState(StrEnum):
    """Where the end-to-end encryption of a role is."""

    INACTIVE = "inactive"
    """No session was negotiated."""
    DISABLED = "disabled"
    """The server really negotiated version 0: media is in clear."""
    NEGOTIATING = "negotiating"
    """A version above 0 and no group; the parent is told so. Nothing leaves."""
    ALONE = "alone"
    """No other member is known and our key package is out: nothing leaves until a group exists."""
    REKEYING = "rekeying"
    """The group is made anew with members present: nothing leaves, and the parent is not told for 2 s."""
    ESTABLISHED = "established"
    """The group exists: all that leaves is end-to-end encrypted."""
    SWITCHING = "switching"
    """Established, and a transition is announced that the server has not executed yet."""


class DaveMachine(StrictMachine):
    """Life of one role's DAVE group (DAVE protocol, "Protocol transitions")."""

    s = States.from_enum(DaveState, initial=DaveState.INACTIVE, use_enum_instance=True)

    version_negotiated = Event(s.INACTIVE.to(s.NEGOTIATING) | s.NEGOTIATING.to.itself())
    clear_negotiated = Event(s.INACTIVE.to(s.DISABLED) | s.NEGOTIATING.to(s.DISABLED))
    found_alone = Event(s.NEGOTIATING.to(s.ALONE) | s.REKEYING.to(s.ALONE))
    group_established = Event(
        s.NEGOTIATING.to(s.ESTABLISHED)
        | s.ALONE.to(s.ESTABLISHED)
        | s.REKEYING.to(s.ESTABLISHED)
        | s.ESTABLISHED.to.itself()
        | s.SWITCHING.to(s.ESTABLISHED)
    )
    transition_announced = Event(
        s.NEGOTIATING.to(s.SWITCHING)
        | s.ALONE.to(s.SWITCHING)
        | s.REKEYING.to(s.SWITCHING)
        | s.ESTABLISHED.to(s.SWITCHING)
        | s.SWITCHING.to.itself()
    )
    transition_executed = Event(s.SWITCHING.to(s.ESTABLISHED))
    downgrade_executed = Event(
        s.NEGOTIATING.to(s.DISABLED)
        | s.ALONE.to(s.DISABLED)
        | s.REKEYING.to(s.DISABLED)
        | s.ESTABLISHED.to(s.DISABLED)
        | s.SWITCHING.to(s.DISABLED)
        | s.DISABLED.to.itself()
    )
    upgrade_announced = Event(s.DISABLED.to(s.NEGOTIATING))
    member_joined = Event(s.ALONE.to(s.REKEYING))
    group_reset = Event(
        s.ESTABLISHED.to(s.REKEYING)
        | s.SWITCHING.to(s.REKEYING)
        | s.REKEYING.to.itself()
        | s.NEGOTIATING.to.itself()
        | s.ALONE.to.itself()
    )
    patience_ended = Event(s.REKEYING.to(s.NEGOTIATING))
    connection_lost = Event(
        s.DISABLED.to(s.NEGOTIATING)
        | s.NEGOTIATING.to.itself()
        | s.ALONE.to(s.NEGOTIATING)
        | s.REKEYING.to(s.NEGOTIATING)
        | s.ESTABLISHED.to(s.NEGOTIATING)
        | s.SWITCHING.to(s.NEGOTIATING)
        | s.INACTIVE.to.itself()
    )
    session_closed = Event(
        s.INACTIVE.to.itself()
        | s.DISABLED.to(s.INACTIVE)
        | s.NEGOTIATING.to(s.INACTIVE)
        | s.ALONE.to(s.INACTIVE)
        | s.REKEYING.to(s.INACTIVE)
        | s.ESTABLISHED.to(s.INACTIVE)
        | s.SWITCHING.to(s.INACTIVE)
    )
