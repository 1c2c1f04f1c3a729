"""Messages that more than one kind of actor receives."""

import msgspec

from clankvox.ids import Address, ConnectionId, Role


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Root of every typed message; values only, safe to share between threads."""


class Envelope(Message, frozen=True, kw_only=True):
    """Any actor to the router: deliver `message` to `to`. The router knows nothing of the contents."""

    to: Address
    message: Message


class ResetBaton(Message, frozen=True, kw_only=True):
    """The voice connection is being reset: end what you have, tell the parent, pass the baton on.

    The baton visits playback, music, DAVE and every capture of the role one after the other and then returns
    to the connection, so that the endings of an old connection precede everything of the next one.
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


class Inspect(Message, frozen=True, kw_only=True):
    """Describe yourself: answered with a plain dict when asked (tests and tools only)."""
