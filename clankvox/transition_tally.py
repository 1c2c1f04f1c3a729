"""What the machines went through, logged and counted: lost links and their ends, and how long encryption took."""

import logging
from collections import Counter
from typing import Final

from clankvox.clock import Clock
from clankvox.fsm.base import Transition
from clankvox.fsm.connection import ConnectionState
from clankvox.fsm.dave import DaveState
from clankvox.histogram import Histogram
from clankvox.ids import ActorKind, Address, Role
from clankvox.protocol.close_codes import CLOSE_CODES, policy_for

_log = logging.getLogger("clankvox.fsm")

DAVE_BOUNDS_S: Final = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_SETTLED: Final = frozenset({DaveState.INACTIVE, DaveState.DISABLED, DaveState.ALONE, DaveState.ESTABLISHED})
_OUTCOMES: Final = {
    ConnectionState.READY: "new_session",
    ConnectionState.CLOSED: "gave_up",
    ConnectionState.IDLE: "left",
    ConnectionState.AWAITING_CREDENTIALS: "replaced",
}
OUTCOMES: Final = ("resumed", *_OUTCOMES.values())
"""How a reconnection may end."""
_CONNECTED: Final = frozenset({ConnectionState.CONNECTING, ConnectionState.READY, ConnectionState.DAVE_TRANSITION})
_NO_CODE: Final = "none"
_UNKNOWN_CODE: Final = "unknown"
_CODES: Final = {policy.name: str(code) for code, policy in CLOSE_CODES.items()} | {
    policy_for(4999).name: _UNKNOWN_CODE
}
"""Label of a close, by the name that its policy has: a few words, whatever a server may send."""
_RESUMED: Final = OUTCOMES[0]
_RESUMED_EVENT: Final = "session_resumed"
_GAVE_UP_EVENT: Final = "gave_up"


class TransitionTally:
    """Told of every transition on the thread of its actor; one actor at a time has an address. Read by any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.dave_transition_s = {role: Histogram(DAVE_BOUNDS_S) for role in Role}
        """From the news of a change until the group is established or the change is void."""
        self.reconnects: Counter[tuple[Role, str, str]] = Counter()
        """What became of a loss or a chain of them, by role, the close code of the first, and outcome."""
        self.links_lost: Counter[tuple[Role, str]] = Counter()
        """By role and close code, for good or not."""
        self._changing_since: dict[Role, float] = {}
        self._reconnecting: dict[Role, str] = {}  # the close code that it began with

    def observe(self, address: Address, taken: Transition) -> None:
        """Log and count `taken`, a transition of the actor at `address`."""
        if _log.isEnabledFor(logging.DEBUG):
            fields = {"role": str(address.role), "user_id": address.user_id, **taken._asdict()}
            _log.debug("transition", extra={"fields": {name: value for name, value in fields.items() if value}})
        if address.kind is ActorKind.CONNECTION:
            self._on_connection(address.role, taken)
        elif address.kind is ActorKind.DAVE:
            self._on_dave(address.role, taken)

    def _on_connection(self, role: Role, taken: Transition) -> None:
        now, code = ConnectionState(taken.target), _CODES.get(taken.cause, _NO_CODE)
        if taken.source in _CONNECTED and (now is ConnectionState.RECONNECTING or taken.event == _GAVE_UP_EVENT):
            self.links_lost[role, code] += 1
        if now is ConnectionState.RECONNECTING or taken.event == _GAVE_UP_EVENT:  # maybe without a try
            self._reconnecting.setdefault(role, code)
        if role in self._reconnecting and now in _OUTCOMES:
            first = self._reconnecting.pop(role)
            outcome = _RESUMED if taken.event == _RESUMED_EVENT else _OUTCOMES[now]
            self.reconnects[role, first, outcome] += 1

    def _on_dave(self, role: Role, taken: Transition) -> None:
        now = DaveState(taken.target)
        if now not in _SETTLED:
            self._changing_since.setdefault(role, self._clock.now())
            return
        since = self._changing_since.pop(role, None)
        if since is not None and now is DaveState.ESTABLISHED:
            self.dave_transition_s[role].observe(self._clock.now() - since)
