"""What all actors share: typed addresses, timers, and a failure that is told to the router.

pykka facts that are handled here, once: an exception ends the actor for good and the next sender gets
ActorDeadError; a BaseException in one handler would stop every actor of the process; `stop` must not wait behind mail.
"""

import logging
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Protocol, TypeVar

import pykka

from clankvox.actors.inbox import ClockedInbox
from clankvox.clock import Clock
from clankvox.fsm.base import Transition, unobserved
from clankvox.ids import Address
from clankvox.messages.common import ActorFailed, Envelope, Message

_log = logging.getLogger("clankvox.actors")

M = TypeVar("M")

Tell = Callable[[Message], None]
"""Hand a message to one actor; never blocks, never raises. Any thread."""


class Mailbox(Protocol):
    """Whatever can be told a message."""

    def tell(self, message: object) -> None:
        """Append to the inbox."""
        ...


def teller(ref: Mailbox) -> Tell:
    """Return a Tell for `ref` that forgets messages to the dead: their sender can do nothing about it."""

    def tell(message: Message) -> None:
        try:
            ref.tell(message)
        except pykka.ActorDeadError:
            _log.debug("message to a dead actor", extra={"fields": {"message_type": type(message).__name__}})

    return tell


class Surroundings:
    """What an actor is born with: its address, the clock, the way to the router, the observer of transitions."""

    __slots__ = ("address", "clock", "observe", "router")

    def __init__(
        self, address: Address, clock: Clock, router: Tell, observe: Callable[[Transition], None] = unobserved
    ) -> None:
        self.address = address
        self.clock = clock
        self.router = router
        self.observe = observe


class BaseActor(pykka.ThreadingActor, Generic[M]):
    """Root of our actors; `M` is what it receives. Everything but `__init__` runs on the actor's own thread."""

    use_daemon_thread = True

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__()
        self._address = surroundings.address
        self._clock = surroundings.clock
        self._tell_router = surroundings.router
        self._observe = surroundings.observe
        self.inbox.clock = surroundings.clock

    @staticmethod
    def _create_actor_inbox() -> ClockedInbox:
        return ClockedInbox()

    @property
    def inbox(self) -> ClockedInbox:
        """The inbox, by its own type."""
        inbox = self.actor_inbox
        assert isinstance(inbox, ClockedInbox)  # noqa: S101 - made three lines above
        return inbox

    def handle(self, message: M) -> object:
        """Act on one message. Must be overridden; what it raises ends this actor, and the router is told."""
        raise NotImplementedError

    def on_receive(self, message: M) -> object:
        """Contain what pykka would take for the end of the process (native panics are BaseExceptions)."""
        try:
            return self.handle(message)
        except Exception:
            raise
        except BaseException as panic:
            raise RuntimeError(f"{type(panic).__name__} in {self._address.kind}") from panic

    def on_stop(self) -> None:
        """Give back what would outlive the actor."""
        self.let_go()

    def let_go(self) -> None:
        """Give back what would outlive the actor (sockets, slots, keys); also after a failure. Must not raise."""

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Tell the router who died. The exception's text stays in the log: it may quote what it was given."""
        _log.error(
            "actor failed",
            extra={"fields": {"actor": str(self._address.kind), "role": str(self._address.role)}},
            exc_info=(exception_type, exception_value, traceback)
            if exception_type is not None and exception_value is not None
            else None,
        )
        name = exception_type.__name__ if exception_type is not None else "unknown"
        try:
            self.let_go()
        finally:
            self._tell_router(ActorFailed(address=self._address, error=name))

    def report(self, message: Message) -> None:
        """Tell the router itself."""
        self._tell_router(message)

    def send(self, to: Address, message: Message) -> None:
        """Send to another actor, by way of the router."""
        self._tell_router(Envelope(to=to, message=message))

    def later(self, delay_s: float, message: Message) -> None:
        """Receive `message` oneself after `delay_s`; it cannot be cancelled, so it says what it belongs to."""
        self.inbox.schedule(self._clock.now() + delay_s, message)

    def at(self, due: float, message: Message) -> None:
        """Receive `message` oneself at the instant `due`."""
        self.inbox.schedule(due, message)
