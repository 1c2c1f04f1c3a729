"""What a child process said, in order, for other threads to read and to wait on."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from clankvox.errors import ClankvoxError

T = TypeVar("T")


class NotSeen(ClankvoxError):
    """What was waited for did not come in time, or its source ended before."""

    code = "not_seen"


class Journal(Generic[T]):
    """An append-only list with waiting. Any thread may call any method."""

    def __init__(self) -> None:
        self._entries: list[T] = []
        self._changed = threading.Condition()
        self._ended = False

    def append(self, entry: T) -> None:
        """Add `entry` and wake who waits."""
        with self._changed:
            self._entries.append(entry)
            self._changed.notify_all()

    def end(self) -> None:
        """Nothing will be added any more: who waits gives up at once."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def entries(self) -> list[T]:
        """A copy of everything so far, oldest first."""
        with self._changed:
            return list(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def wait_for(self, wanted: Callable[[T], bool], what: str, timeout_s: float, since: int = 0) -> tuple[int, T]:
        """Return index and entry of the first one from index `since` on that is `wanted`; else NotSeen with `what`."""
        position = since

        def found() -> bool:
            nonlocal position
            while position < len(self._entries):
                if wanted(self._entries[position]):
                    return True
                position += 1
            return self._ended

        with self._changed:
            self._changed.wait_for(found, timeout_s)
            if position < len(self._entries):
                return position, self._entries[position]
            ended = self._ended
        raise NotSeen(f"{what}: the process ended before" if ended else f"{what}: not within {timeout_s:g} s")
