"""How long each case is measured, and how often, if all of it has to be over after so many minutes."""

from collections.abc import Mapping
from typing import Final, NamedTuple

_STEPS: Final = 40
_RESERVE: Final = 0.95


class Cost(NamedTuple):
    """What a run of a case takes: `times` its seconds, and `around_s` for rooms to fill, films to make, scores."""

    seconds: float = 60.0
    """As it usually is."""
    least_s: float = 8.0
    """What its statistic needs."""
    times: float = 1.0
    around_s: float = 12.0
    most_runs: int = 100
    """Where a second run tells nothing new, or takes too long."""

    def run_s(self, seconds: float) -> float:
        """Return what one run takes."""
        return self.around_s + self.times * seconds


class Planned(NamedTuple):
    """One case."""

    seconds: float
    runs: int


def plan(
    costs: Mapping[str, Cost], runs: int, seconds: float | None = None, minutes: float | None = None
) -> dict[str, Planned]:
    """Return how long each case is measured: `seconds` if given, else as usual, or as much less as `minutes` ask for.

    No case gets less than its least, so a plan may be longer than what was asked for: see `whole_s`.
    """
    planned = {name: Planned(seconds or cost.seconds, min(runs, cost.most_runs)) for name, cost in costs.items()}
    if minutes is None or seconds is not None or whole_s(costs, planned) <= minutes * 60 * _RESERVE:
        return planned
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        share = (low + high) / 2
        if whole_s(costs, _shortened(costs, planned, share)) > minutes * 60 * _RESERVE:
            high = share
        else:
            low = share
    return _shortened(costs, planned, low)


def whole_s(costs: Mapping[str, Cost], planned: Mapping[str, Planned]) -> float:
    """Return how long a plan takes."""
    return sum(each.runs * costs[name].run_s(each.seconds) for name, each in planned.items())


def _shortened(costs: Mapping[str, Cost], planned: Mapping[str, Planned], share: float) -> dict[str, Planned]:
    return {
        name: each._replace(seconds=max(costs[name].least_s, round(costs[name].seconds * share)))
        for name, each in planned.items()
    }
