"""The inbox of every actor: mail, timers and a stop that overtakes both. The only user of pykka's private names.

pykka's own inbox is an unbounded queue in which `stop` waits behind the backlog and which knows no time. Ours serves
a stop first (the whole shutdown has 250 ms), delivers timers on the actor's own thread without one more hop, and
counts its depth.
"""

import heapq
import threading
from collections import deque
from itertools import count
from typing import Any

from pykka import ActorDeadError
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from clankvox.clock import Clock, SystemClock


class ClockedInbox:
    """An ActorInbox with timers. Thread-safe; `get` belongs to the actor's thread."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self._mail: deque[Envelope[Any]] = deque()
        self._timers: list[tuple[float, int, Envelope[Any]]] = []
        self._order = count()
        self._changed = threading.Condition()
        self._closed = False
        self.deepest = 0

    def put(self, envelope: Envelope[Any], /) -> None:
        """Append mail; a stop goes to the front. Any thread. ActorDeadError behind `close`."""
        with self._changed:
            if isinstance(envelope.message, _ActorStop):
                self._mail.appendleft(envelope)
            elif self._closed:
                raise ActorDeadError
            else:
                self._mail.append(envelope)
            self.deepest = max(self.deepest, len(self._mail))
            self._changed.notify()

    def schedule(self, due: float, message: object) -> None:
        """Deliver `message` to this inbox's own actor at `due`. The actor's thread."""
        with self._changed:
            heapq.heappush(self._timers, (due, next(self._order), Envelope(message)))
            self._changed.notify()

    def get(self) -> Envelope[Any]:
        """Wait for the next mail or timer; mail that is there goes first."""
        with self._changed:
            while True:
                if self._mail:
                    return self._mail.popleft()
                wait_s = self._timers[0][0] - self.clock.now() if self._timers else None
                if wait_s is not None and wait_s <= 0:
                    return heapq.heappop(self._timers)[2]
                self._changed.wait(wait_s)

    def pop_due(self, now: float) -> Envelope[Any] | None:
        """Take the next mail, or a timer that is due at `now`, without waiting; None if there is neither (tests)."""
        with self._changed:
            if self._mail:
                return self._mail.popleft()
            if self._timers and self._timers[0][0] <= now:
                return heapq.heappop(self._timers)[2]
            return None

    def next_timer(self) -> float | None:
        """Instant of the next timer."""
        with self._changed:
            return self._timers[0][0] if self._timers else None

    def timers(self) -> list[tuple[float, object]]:
        """Instants and messages of all timers, the first one first."""
        with self._changed:
            return [(due, envelope.message) for due, _, envelope in sorted(self._timers, key=lambda timer: timer[:2])]

    def close(self) -> list[object]:
        """Take no more mail; return what waits, without timers and without what somebody asks an answer to.

        Whoever writes to a dying actor either is in what is returned, or learns that it is dead.
        """
        with self._changed:
            self._closed = True
            return [envelope.message for envelope in self._mail if envelope.reply_to is None]

    def empty(self) -> bool:
        """Whether no mail waits (timers do not count)."""
        return not self._mail

    def __len__(self) -> int:
        return len(self._mail)
