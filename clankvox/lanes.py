"""What threads share: `Lane`, a bounded queue with a stated drop rule, and `Slot`, the latest value.

A lane wakes its owner once, when it turns non-empty (design: media never passes an actor's inbox).
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Lane(Generic[T]):
    """Bounded FIFO between threads; the oldest item is dropped when it is full, and counted. Thread-safe."""

    __slots__ = ("_capacity", "_dropped", "_items", "_lock", "_wake")

    def __init__(self, capacity: int, wake: Callable[[], None]) -> None:
        """Hold up to `capacity` items; `wake` is called by the producer when the lane turns non-empty."""
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._wake = wake
        self._dropped = 0
        self._lock = threading.Lock()

    def put(self, item: T) -> None:
        """Append `item`, dropping the oldest one if the lane is full. Any thread."""
        with self._lock:
            was_empty = not self._items
            if len(self._items) >= self._capacity:
                self._items.popleft()
                self._dropped += 1
            self._items.append(item)
        if was_empty:
            self._wake()

    def drain(self) -> list[T]:
        """Take everything that is there, in order. The owner's thread."""
        with self._lock:
            items = list(self._items)
            self._items.clear()
        return items

    @property
    def dropped(self) -> int:
        """How many items were dropped since the lane was made."""
        return self._dropped

    def __len__(self) -> int:
        return len(self._items)


class Slot(Generic[T]):
    """The latest snapshot of something, published by one thread and read by others.

    Reading and writing one attribute is atomic, so no lock is needed; a snapshot must be immutable.
    """

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def publish(self, value: T) -> None:
        """Replace the snapshot. The owner's thread."""
        self._value = value

    def read(self) -> T:
        """Return the latest snapshot. Any thread."""
        return self._value
