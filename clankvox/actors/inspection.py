"""One look at all actors: who answered, what they said, and the event that the parent gets. Router's thread.

An actor that is busy or hangs must not hold up the answer: after a deadline it is named as silent.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from clankvox.actors.supervision import Supervision
from clankvox.ids import ActorKind, Address, Role
from clankvox.ipc.events import ActorView, Inspect, TimerView, TransportStats
from clankvox.messages.common import Inspected

DEADLINE_S: Final = 0.1
MOST_AT_ONCE: Final = 16
"""Looks that wait for answers; a parent that asks faster is answered with what is known by then."""
_IDS: Final = frozenset({"members"})
"""Lists of snowflakes: decimal strings on the wire, like all of them."""
_ROLES: Final = tuple(Role)
_KINDS: Final = tuple(ActorKind)


Answer = Callable[[Inspect], None]


class _Look:
    """One request."""

    def __init__(self, addresses: Iterable[Address], answer: Answer) -> None:
        self.missing = dict.fromkeys(addresses)
        self.reports: list[Inspected] = []
        self.answer = answer


class Inspections:
    """Requests, each until everybody has answered or it is overdue."""

    def __init__(
        self, supervision: Supervision, queues: Callable[[], dict[str, int]], collect: Callable[[], TransportStats]
    ) -> None:
        self._supervision = supervision
        self._queues = queues
        self._collect = collect
        self._looks: dict[int, _Look] = {}
        self._tickets = 0

    def begin(self, addresses: Iterable[Address], answer: Answer) -> int:
        """Wait for what lives at `addresses`; returns the number that their answers carry."""
        while len(self._looks) >= MOST_AT_ONCE:
            self.overdue(next(iter(self._looks)))
        self._tickets += 1
        self._looks[self._tickets] = _Look(addresses, answer)
        return self._tickets

    def take(self, report: Inspected) -> None:
        """Take note of an answer; the last one completes the look."""
        look = self._looks.get(report.ticket)
        if look is None or report.address not in look.missing:
            return
        del look.missing[report.address]
        look.reports.append(report)
        if not look.missing:
            self.overdue(report.ticket)

    def overdue(self, ticket: int) -> None:
        """Answer with what is known by now."""
        look = self._looks.pop(ticket, None)
        if look is not None:
            look.answer(self._event(look))

    def _event(self, look: _Look) -> Inspect:
        counters = self._collect()
        reports = sorted(look.reports, key=lambda report: _place(report.address))
        return Inspect(
            actors=tuple(_view(report, self._supervision.causes(report.address)) for report in reports),
            silent=tuple(_name(address) for address in sorted(look.missing, key=_place)),
            queues=self._queues(),
            restarts=counters.restarts,
            counters=counters,
        )


def _place(address: Address) -> tuple[int, int, int]:
    """Where people look for it: the router, then role by role, users last."""
    return _ROLES.index(address.role), _KINDS.index(address.kind), address.user_id or 0


def _view(report: Inspected, causes: dict[str, int]) -> ActorView:
    address, described = report.address, dict(report.description)
    return ActorView(
        kind=str(address.kind),
        role=str(address.role),
        user_id=None if address.user_id is None else str(address.user_id),
        state=str(described.pop("state", "")),
        mailbox=report.mailbox,
        mailbox_deepest=report.deepest,
        timers=tuple(TimerView(name=timer.name, due_ms=timer.due_ms) for timer in report.timers),
        failures=causes,
        details={_camel(key): _shown(key, value) for key, value in described.items() if value is not None},
    )


def _shown(key: str, value: Any) -> Any:
    return [str(item) for item in value] if key in _IDS else value


def _name(address: Address) -> str:
    parts = (address.role, address.kind, address.user_id)
    return " ".join(str(part) for part in parts if part is not None)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
