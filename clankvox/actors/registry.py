"""The post office: which actor lives at which address, and how mail gets there. Router's thread."""

from collections.abc import Callable

import pykka

from clankvox.actors.base import Mailbox, Tell
from clankvox.ids import ActorKind, Address, Role
from clankvox.messages.common import Message

Spawn = Callable[[Address, Tell, int], Mailbox]
"""Bring the actor of an address to life; the number says how many lived there before."""


class Registry:
    """Actors come to life when they get mail; what is sent to one that has just died waits for its heir."""

    def __init__(self, spawn: Spawn, tell_router: Tell) -> None:
        self._spawn = spawn
        self._tell_router = tell_router
        self._actors: dict[Address, Mailbox] = {}
        self._sent: dict[Address, int] = {}
        self._lives: dict[Address, int] = {}
        self._orphaned: dict[Address, list[Message]] = {}

    def __contains__(self, address: object) -> bool:
        return address in self._actors

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Whoever lives, in the order of birth."""
        return tuple(self._actors)

    def captures(self, role: Role) -> list[Address]:
        """Addresses of the capture actors of `role`."""
        return [address for address in self._actors if address.kind is ActorKind.CAPTURE and address.role is role]

    def spawn(self, address: Address) -> None:
        """Bring somebody to life at `address`, where nobody lives."""
        life = self._lives.get(address, 0)
        if address.kind is not ActorKind.CAPTURE:  # users are many, and their actors keep no numbers of their own
            self._lives[address] = life + 1
        self._actors[address] = self._spawn(address, self._tell_router, life)
        self._sent[address] = 0

    def deliver(self, to: Address, message: Message) -> None:
        """Hand `message` to the actor at `to`."""
        if to not in self._actors:
            self.spawn(to)
        self._sent[to] += 1
        if not self.whisper(to, message):
            self._orphaned.setdefault(to, []).append(message)

    def whisper(self, to: Address, message: Message) -> bool:
        """Hand over what nobody counts; False if nobody lives there."""
        mailbox = self._actors.get(to)
        try:
            if mailbox is not None:
                mailbox.tell(message)
        except pykka.ActorDeadError:
            return False
        return mailbox is not None

    def retire(self, address: Address, handled: int) -> bool:
        """Stop an actor that has nothing to do, unless something is on its way to it."""
        mailbox = self._actors.get(address)
        if mailbox is None or self._sent[address] != handled:
            return False
        del self._actors[address], self._sent[address]
        stop = getattr(mailbox, "stop", None)
        if stop is not None:
            stop(block=False)
        return True

    def bury(self, address: Address) -> tuple[Message, ...]:
        """Forget an actor that died; returns the mail that came too late for it."""
        self._actors.pop(address, None)
        self._sent.pop(address, None)
        return tuple(self._orphaned.pop(address, ()))
