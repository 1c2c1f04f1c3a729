"""What all actors share: typed addresses, timers, and a failure that is told to the router.

pykka facts that are handled here, once: an exception ends the actor for good and the next sender gets
ActorDeadError; a BaseException in one handler would stop every actor of the process; `stop` must not wait behind mail.
"""

import logging
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Final, Generic, Protocol, TypeVar

import pykka

from clankvox.actors.inbox import ClockedInbox
from clankvox.clock import Clock
from clankvox.fsm.base import Transition, unobserved
from clankvox.ids import Address
from clankvox.messages.common import ActorFailed, Envelope, Inspect, Inspected, InspectionAsked, Message, Timer

_log = logging.getLogger("clankvox.actors")

NUMBERS_PER_LIFE: Final = 1_000_000
"""More than any of them ever counts to."""

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

    __slots__ = ("address", "clock", "life", "observe", "router")

    def __init__(
        self,
        address: Address,
        clock: Clock,
        router: Tell,
        observe: Callable[[Transition], None] = unobserved,
        life: int = 0,
    ) -> None:
        """`life` says how many actors lived at this address before."""
        self.address = address
        self.clock = clock
        self.router = router
        self.observe = observe
        self.life = life

    @property
    def first_number(self) -> int:
        """Where an actor begins to count what others will name to it: an heir's numbers are not its predecessor's."""
        return self.life * NUMBERS_PER_LIFE


class BaseActor(pykka.ThreadingActor, Generic[M]):
    """Root of our actors; `M` is what it receives. Everything but `__init__` runs on the actor's own thread."""

    use_daemon_thread = True

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__()
        self._address = surroundings.address
        self._clock = surroundings.clock
        self._tell_router = surroundings.router
        self._observe = surroundings.observe
        self._cause: Message | None = None
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

    def on_start(self) -> None:
        """Begin, and tell the router if that fails: pykka would tell nobody."""
        try:
            self.begin()
        except Exception:
            self.on_failure(*sys.exc_info())
            raise

    def begin(self) -> None:
        """Act before the first message. What it raises ends this actor, and the router is told."""

    def handle(self, message: M) -> object:
        """Act on one message. Must be overridden; what it raises ends this actor, and the router is told."""
        raise NotImplementedError

    def on_receive(self, message: M) -> object:
        """Contain what pykka would take for the end of the process (native panics are BaseExceptions)."""
        self._cause = message if isinstance(message, Message) else None
        try:
            if isinstance(message, InspectionAsked):
                self._describe_itself(message.ticket)
                return None
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

    def will(self) -> Message | None:
        """Return what only this actor knows and an heir needs, as it stands after a failure."""
        return None

    def _last_will(self) -> Message | None:
        try:
            return self.will()
        except Exception:  # noqa: BLE001 - whatever is broken in a broken actor, the router must hear of its end
            _log.warning("no last will", extra={"fields": {"actor": str(self._address.kind)}})
            return None

    def _describe_itself(self, ticket: int) -> None:
        description = self.handle(Inspect())  # type: ignore[arg-type]  # every actor takes it
        now = self._clock.now()
        self._tell_router(
            Inspected(
                ticket=ticket,
                address=self._address,
                description=description if isinstance(description, dict) else {},
                mailbox=len(self.inbox),
                deepest=self.inbox.deepest,
                timers=tuple(
                    Timer(type(message).__name__, round(max(0.0, due - now) * 1000))
                    for due, message in self.inbox.timers()
                ),
            )
        )

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
        will = self._last_will()
        try:
            self.let_go()
        finally:
            unread = tuple(mail for mail in self.inbox.close() if isinstance(mail, Message))
            self._tell_router(
                ActorFailed(address=self._address, error=name, cause=self._cause, unread=unread, will=will)
            )

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
