"""A distribution in fixed buckets, cheap enough for the pacing thread."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate


class Histogram:
    """Counts values by upper bound (inclusive). Written by one thread; other readers may be one value behind."""

    __slots__ = ("_counts", "bounds", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds` ascend; what is above the last is counted too."""
        self.bounds = tuple(bounds)
        self._counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self._counts)

    def above(self, bound: float) -> int:
        """Return how many values were above `bound`, which is one of the bounds."""
        return sum(self._counts[self.bounds.index(bound) + 1 :])

    def cumulative(self) -> list[int]:
        """Return how many values were at most each bound, and last how many there were at all."""
        return list(accumulate(self._counts))
