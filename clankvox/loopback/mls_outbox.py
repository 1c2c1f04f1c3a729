"""What the delivery service gives back: messages for clients, and happenings for the log."""

from collections.abc import Mapping
from typing import NamedTuple

from clankvox.ids import UserId
from clankvox.wire.gateway_ops import Op, Payload


class Outgoing(NamedTuple):
    """A message to one user: bytes after the opcode of a binary op (25, 27, 29, 30), else the JSON payload."""

    user_id: UserId
    op: Op
    payload: bytes | Payload


class Happening(NamedTuple):
    """A line for the log: epoch, transition, reset, invalid_commit, recovered, expired."""

    kind: str
    fields: Mapping[str, object]


class Effects(NamedTuple):
    """What an input led to."""

    outgoing: tuple[Outgoing, ...]
    happenings: tuple[Happening, ...]


class Outbox:
    """Collects the effects of one input, in order."""

    __slots__ = ("_happenings", "_outgoing")

    def __init__(self) -> None:
        self._outgoing: list[Outgoing] = []
        self._happenings: list[Happening] = []

    def send(self, user_id: UserId, op: Op, payload: bytes | Payload) -> None:
        """Queue a message to `user_id`."""
        self._outgoing.append(Outgoing(user_id, op, payload))

    def happen(self, kind: str, **fields: object) -> None:
        """Queue a line for the log."""
        self._happenings.append(Happening(kind, fields))

    def take(self) -> Effects:
        """Hand over what was queued and begin anew."""
        effects = Effects(tuple(self._outgoing), tuple(self._happenings))
        self._outgoing.clear()
        self._happenings.clear()
        return effects
