"""What a DAVE conversation asks its caller to send, and what it says has happened: values only."""

from typing import Any, NamedTuple

from clankvox.ids import TransitionId
from clankvox.wire.gateway_ops import Op


class Send(NamedTuple):
    """Send this opcode; bytes go as a binary message, everything else as JSON."""

    op: Op
    payload: Any


class ClearNegotiated(NamedTuple):
    """Version 0 was negotiated."""


class VersionNegotiated(NamedTuple):
    """A version above 0 was negotiated, or announced by an upgrade."""

    version: int
    upgrade: bool


class GroupEstablished(NamedTuple):
    """The group exists and is in force at once (transition 0)."""


class TransitionAnnounced(NamedTuple):
    """A transition was prepared with the group in existence; op 22 will execute it."""

    transition_id: TransitionId


class SwitchAwaited(NamedTuple):
    """Our sender goes on as it is until op 22, or until `switch_overdue` is told after SWITCH_LIMIT_S."""

    transition_id: TransitionId


class TransitionExecuted(NamedTuple):
    """Nothing is pending any more; the group is in force."""


class DowngradeExecuted(NamedTuple):
    """Version 0 is in force."""


class GroupReset(NamedTuple):
    """The group is gone and is being made anew."""


class AcceptClear(NamedTuple):
    """Accept clear frames for so long: members change between clear and encrypted."""

    seconds: float


class Ignored(NamedTuple):
    """A message changed nothing; counted by cause."""

    cause: str


Effect = (
    Send
    | ClearNegotiated
    | VersionNegotiated
    | GroupEstablished
    | TransitionAnnounced
    | SwitchAwaited
    | TransitionExecuted
    | DowngradeExecuted
    | GroupReset
    | AcceptClear
    | Ignored
)
