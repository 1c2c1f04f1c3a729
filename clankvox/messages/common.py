"""Messages that more than one kind of actor receives."""

from typing import NamedTuple

import msgspec

from clankvox.ids import Address, ConnectionId, Role


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Root of every typed message; values only, safe to share between threads."""


class Envelope(Message, frozen=True, kw_only=True):
    """Any actor to the router: deliver `message` to `to`. The router knows nothing of the contents."""

    to: Address
    message: Message


class ResetBaton(Message, frozen=True, kw_only=True):
    """A connection is being reset: end what you have, tell the parent, pass the baton on.

    The baton visits all who live on the role's connection (playback and music, or what we publish; DAVE, video and
    every capture) one after the other and then returns to it, so that the endings of an old connection precede
    everything of the next one.
    """

    ticket: int
    role: Role
    reason: str
    connection_id: ConnectionId | None
    route: tuple[Address, ...]


class ActorFailed(Message, frozen=True, kw_only=True):
    """An actor to the router, from its failure hook: it raised and is gone."""

    address: Address
    error: str
    cause: Message | None = None
    """What it was doing when it failed."""
    unread: tuple[Message, ...] = ()
    """What was in its inbox, for its heir."""
    will: Message | None = None
    """What only it knew and its heir needs (BaseActor.will)."""

    def __repr__(self) -> str:
        """Unread mail may hold anything."""
        return f"ActorFailed({self.address!r}, {self.error!r}, {len(self.unread)} unread)"


class Inspect(Message, frozen=True, kw_only=True):
    """Describe yourself: answered with a plain dict when asked (tests and tools only)."""


class InspectionAsked(Message, frozen=True, kw_only=True):
    """Router: describe yourself; answered with Inspected, which names the ticket."""

    ticket: int


class Timer(NamedTuple):
    """What an actor will hear from itself, by the name of the message; one that is out of date passes unheeded."""

    name: str
    due_ms: int


class Inspected(Message, frozen=True, kw_only=True):
    """Any actor: numbers and states only, nothing secret."""

    ticket: int
    address: Address
    description: dict[str, object]
    mailbox: int
    """Messages that wait in its inbox."""
    deepest: int
    """The most that ever waited."""
    timers: tuple[Timer, ...]
    """The first one first."""
