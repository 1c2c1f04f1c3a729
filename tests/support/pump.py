"""The stepped runtime: actors that are constructed and never started, one message at a time, in any order.

A test that uses it has no threads. Mail and due timers of all actors are candidates for the next step; who goes
first is decided by `choose`, so that hypothesis can draw every interleaving that the threads could produce.
"""

import sys
from collections.abc import Callable

import pykka
from pykka.messages import _ActorStop

from clankvox.actors.base import BaseActor
from tests.support.manual_clock import ManualClock
from tests.support.promises import ActorFailure

Choose = Callable[[int], int]
"""From the number of actors that could go next to the index of the one that does."""

LIMIT = 20_000


def first(_count: int) -> int:
    return 0


class Pump:
    """Holds the actors of one test."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.actors: list[BaseActor] = []
        self.tolerant = False
        """Whether a failing actor is part of the test; otherwise it ends the test."""
        self.failures: list[BaseException] = []
        self.steps = 0

    def adopt(self, actor: BaseActor) -> BaseActor:
        self.actors.append(actor)
        actor.on_start()
        return actor

    def step(self, choose: Choose = first) -> bool:
        """Let one actor handle one message; False if nobody has any."""
        now = self.clock.now()
        ready = [actor for actor in self.actors if _has_mail(actor, now)]
        if not ready:
            return False
        actor = ready[choose(len(ready)) % len(ready)]
        self.steps += 1
        envelope = actor.inbox.pop_due(now)
        if isinstance(envelope.message, _ActorStop):
            self._bury(actor)
            actor.on_stop()
            return True
        try:
            actor.on_receive(envelope.message)
        except Exception as error:
            self._bury(actor)
            self.failures.append(error)
            if not self.tolerant:
                raise ActorFailure(f"{type(actor).__name__} on {envelope.message!r}") from error
            actor.on_failure(*sys.exc_info())
        return True

    def drain(self, choose: Choose = first) -> None:
        """Step until nobody has mail or a due timer."""
        for _ in range(LIMIT):
            if not self.step(choose):
                return
        raise AssertionError("the actors do not come to rest")

    def next_timer(self) -> float | None:
        due = [timer for actor in self.actors if (timer := actor.inbox.next_timer()) is not None]
        return min(due, default=None)

    def _bury(self, actor: BaseActor) -> None:
        self.actors.remove(actor)
        actor.actor_stopped.set()
        assert actor.actor_ref not in pykka.ActorRegistry.get_all()


def _has_mail(actor: BaseActor, now: float) -> bool:
    timer = actor.inbox.next_timer()
    return len(actor.inbox) > 0 or (timer is not None and timer <= now)
