"""What the machines went through, counted: lost links and how they ended, and how long encryption was on its way."""

from collections import Counter
from typing import Final

from clankvox.clock import Clock
from clankvox.fsm.base import Transition
from clankvox.fsm.connection import ConnectionState
from clankvox.fsm.dave import DaveState
from clankvox.histogram import Histogram
from clankvox.ids import ActorKind, Address, Role

DAVE_BOUNDS_S: Final = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_SETTLED: Final = frozenset({DaveState.INACTIVE, DaveState.DISABLED, DaveState.ALONE, DaveState.ESTABLISHED})
_OUTCOMES: Final = {
    ConnectionState.READY: "new_session",
    ConnectionState.CLOSED: "gave_up",
    ConnectionState.IDLE: "left",
    ConnectionState.AWAITING_CREDENTIALS: "replaced",
}
_RESUMED: Final = "resumed"
_RESUMED_EVENT: Final = "session_resumed"


class TransitionTally:
    """Told of every transition on the thread of its actor; one actor at a time has an address. Read by any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.dave_transition_s = {role: Histogram(DAVE_BOUNDS_S) for role in Role}
        """From the news of a change until the group is established or the change is void."""
        self.reconnects: Counter[tuple[Role, str]] = Counter()
        """Ends of the state `reconnecting` and what follows it, by role and outcome."""
        self.links_lost: Counter[Role] = Counter()
        self._changing_since: dict[Role, float] = {}
        self._reconnecting: set[Role] = set()

    def observe(self, address: Address, taken: Transition) -> None:
        """Count `taken`, a transition of the actor at `address`."""
        if address.kind is ActorKind.CONNECTION:
            self._on_connection(address.role, taken)
        elif address.kind is ActorKind.DAVE:
            self._on_dave(address.role, taken)

    def _on_connection(self, role: Role, taken: Transition) -> None:
        now = ConnectionState(taken.target)
        if now is ConnectionState.RECONNECTING:
            self.links_lost[role] += 1
            self._reconnecting.add(role)
        elif role in self._reconnecting and now in _OUTCOMES:
            self._reconnecting.discard(role)
            outcome = _RESUMED if taken.event == _RESUMED_EVENT else _OUTCOMES[now]
            self.reconnects[role, outcome] += 1

    def _on_dave(self, role: Role, taken: Transition) -> None:
        now = DaveState(taken.target)
        if now not in _SETTLED:
            self._changing_since.setdefault(role, self._clock.now())
            return
        since = self._changing_since.pop(role, None)
        if since is not None and now is DaveState.ESTABLISHED:
            self.dave_transition_s[role].observe(self._clock.now() - since)
