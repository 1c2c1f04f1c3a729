"""What every desired state has in common. Pure; router's thread."""

from typing import Final

from clankvox.ids import Address, ConnectionId
from clankvox.messages.common import ActorFailed, Envelope, Message
from clankvox.messages.router import Report

INTERNAL_ERROR: Final = "internal_error"
"""The reason that the parent is given when an actor failed."""


class Wish:
    """The desired state of one actor; a kind of actor that needs nothing to go on has just this one."""

    def __init__(self, address: Address) -> None:
        self._address = address

    @property
    def call(self) -> ConnectionId | None:
        """Name of the call that the parent has asked for and that has not begun yet."""
        return None

    def ordered(self, message: Message) -> None:
        """Take note of a message on its way to the actor."""

    def covers(self, message: Message) -> bool:  # noqa: ARG002 - for those who override
        """Tell whether `message` has become part of the state: an heir need not read it in the mail it inherits."""
        return False

    def reported(self, report: Message) -> None:
        """Take note of what was reported to the router; it may be about somebody else."""

    def settled(self) -> None:
        """Take note that the order of the parent that was under way has taken effect."""

    def revival(self, failure: ActorFailed) -> list[Envelope]:  # noqa: ARG002 - for those who override
        """Return what an heir, and whoever depends on it, must be told, before it reads the mail."""
        return []

    def last_words(self, failure: ActorFailed) -> list[Report]:  # noqa: ARG002 - for those who override
        """Return what the parent must be told if there is no heir to go on."""
        return []

    def to_heir(self, *messages: Message) -> list[Envelope]:
        """Address `messages` to whoever lives at the address next."""
        return [Envelope(to=self._address, message=message) for message in messages]
