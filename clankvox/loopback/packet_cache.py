"""Packets that were sent lately, by sequence number, for those who ask again."""

from typing import Final, Generic, TypeVar

_T = TypeVar("_T")
SLOTS: Final = 1024
"""About three seconds of 720p."""


class PacketCache(Generic[_T]):
    """The last packets of one stream; a newer one takes the place of the one 1,024 before it."""

    def __init__(self) -> None:
        self._slots: list[tuple[int, _T] | None] = [None] * SLOTS

    def store(self, sequence: int, packet: _T) -> None:
        """Keep `packet`."""
        self._slots[sequence % SLOTS] = (sequence, packet)

    def get(self, sequence: int) -> _T | None:
        """Return the packet with exactly this number, if it is still there."""
        slot = self._slots[sequence % SLOTS]
        return slot[1] if slot is not None and slot[0] == sequence else None
