"""Which packets are missing, since when, and when to ask for them (again)."""

from collections.abc import Iterable
from typing import Final

NACK_INTERVAL_S: Final = 0.100
MOST_MISSING: Final = 1_000
"""More than this is no loss that repetition heals: a key frame is cheaper."""
MOST_PER_PACKET: Final = 253
"""Sequence numbers in one NACK packet, so that it fits one datagram however scattered they are."""


class _Missing:
    __slots__ = ("ask_at", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.ask_at = since


class NackTracker:
    """Missing packets of one stream by unrolled index, oldest first. Not thread-safe."""

    def __init__(self) -> None:
        self._missing: dict[int, _Missing] = {}
        self._ask_at = 0.0
        """Nobody is to be asked before this."""

    def __len__(self) -> int:
        return len(self._missing)

    def __contains__(self, index: int) -> bool:
        return index in self._missing

    def miss(self, indices: range, now: float) -> bool:
        """Note packets that were skipped; False, and nothing is missed any more, if they are too many."""
        if len(self._missing) + len(indices) > MOST_MISSING:
            self._missing.clear()
            return False
        if indices:
            self._ask_at = min(self._ask_at, now) if self._missing else now
        for index in indices:
            self._missing[index] = _Missing(now)
        return True

    def found(self, index: int) -> bool:
        """Note that a packet came after all; False if it was not missed."""
        return self._missing.pop(index, None) is not None

    def give_up(self, indices: Iterable[int]) -> None:
        """Ask for these no more."""
        for index in indices:
            self._missing.pop(index, None)

    def since(self, index: int) -> float | None:
        """When the gap at `index` was noticed; None if it is not missed."""
        missing = self._missing.get(index)
        return missing.since if missing is not None else None

    def due(self, now: float) -> list[int]:
        """Return the indices to ask for now, in order: at once, and again every 100 ms."""
        if not self._missing or now < self._ask_at:
            return []
        asked = []
        for index, missing in self._missing.items():
            if now >= missing.ask_at:
                missing.ask_at = now + NACK_INTERVAL_S
                asked.append(index)
        self._ask_at = min(missing.ask_at for missing in self._missing.values())
        return sorted(asked)

    @property
    def next_due(self) -> float | None:
        """When to look again; None if nothing is missing."""
        return self._ask_at if self._missing else None
