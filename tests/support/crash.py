"""Actors that fail: on their next message, once."""

from clankvox.actors.base import BaseActor
from clankvox.ids import Address
from clankvox.messages.common import Inspect, Message
from tests.support.factory import Call

FAILS_ON = Message()
"""A message that means nothing to anybody."""


class Bug(Exception):
    """What a failing actor raises."""


def arm(call: Call, actor: BaseActor) -> None:
    """Let `actor` fail on whatever it handles next."""
    call.pump.tolerant = True
    healthy = actor.handle

    def broken(message: Message) -> object:
        if isinstance(message, Inspect):
            return healthy(message)
        raise Bug("with a secret in its text")

    actor.handle = broken


def crash(call: Call, address: Address, message: Message | None = None) -> None:
    """Let the actor at `address` fail on `message`, now, or on one that means nothing."""
    actor = call.actor(address)
    arm(call, actor)
    actor.actor_ref.tell(message or FAILS_ON)
    call.drain()
