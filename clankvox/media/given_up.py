"""Packets that were waited for in vain, for as long as they may still come: a late one is no copy of one that came.

What is older than any late packet is forgotten, by the way, once in as many packets. At 2 % loss that is 100 numbers
and not thousands, which would take 0.4 MiB for every speaker after some hours.
"""

from collections.abc import Iterable
from typing import Final

FARTHEST_PACKETS: Final = 3_000
"""A jump of more than a minute of packets is another sequence (RFC 3550 appendix A.1, MAX_DROPOUT)."""


class GivenUp:
    """Unrolled indices of one stream. Not thread-safe."""

    __slots__ = ("_forget_at", "_indices")

    def __init__(self) -> None:
        self._indices: set[int] = set()
        self._forget_at = 0

    def __len__(self) -> int:
        return len(self._indices)

    def __contains__(self, index: int) -> bool:
        return index in self._indices

    def add(self, indices: Iterable[int], before: int) -> None:
        """Take what was given up because `before` has to go on; nothing 3,000 packets before it is a late one."""
        if before >= self._forget_at:
            self._forget_at = before + FARTHEST_PACKETS
            self._indices = {index for index in self._indices if index >= before - FARTHEST_PACKETS}
        self._indices.update(indices)

    def found(self, index: int) -> bool:
        """Note that a packet came after all; False if it was not given up."""
        if index not in self._indices:
            return False
        self._indices.discard(index)
        return True

    def clear(self) -> None:
        """Forget all: another sequence begins."""
        self._indices.clear()
        self._forget_at = 0
