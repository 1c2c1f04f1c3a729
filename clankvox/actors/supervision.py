"""How often an actor may fail before its role is closed, and who has failed so far. Pure; router's thread."""

from collections import Counter
from typing import Final

from clankvox.ids import Address
from clankvox.protocol.backoff import AttemptBudget

RESTARTS: Final = 3
WINDOW_S: Final = 10.0
"""An actor may come back so many times within so many seconds."""
_MOST_REMEMBERED: Final = 1_024
"""Addresses with a budget of their own; captures are as many as a channel has users."""


class Supervision:
    """The budget of each address, and what its actors have died of."""

    def __init__(self) -> None:
        self._budgets: dict[Address, AttemptBudget] = {}
        self._causes: dict[Address, Counter[str]] = {}

    def admit(self, address: Address, error: str, now: float) -> bool:
        """Take note that the actor at `address` died of `error`; False if it has done so too often."""
        if address not in self._budgets and len(self._budgets) >= _MOST_REMEMBERED:
            oldest = next(iter(self._budgets))
            del self._budgets[oldest], self._causes[oldest]
        budget = self._budgets.setdefault(address, AttemptBudget(RESTARTS, WINDOW_S))
        self._causes.setdefault(address, Counter())[error] += 1
        return budget.spend(now)

    def causes(self, address: Address) -> dict[str, int]:
        """How often the actors at `address` have failed, by the name of what they raised."""
        return dict(self._causes.get(address, {}))
