"""Real threads: what pykka does with a failing handler must not reach the rest of the process."""

import logging
import queue
import threading

import pykka
import pytest

from clankvox.actors.base import BaseActor, Surroundings, teller
from clankvox.clock import SystemClock
from clankvox.ids import PLAYBACK, ROUTER, ActorKind
from clankvox.messages.common import ActorFailed, Envelope, Inspect, InspectionAsked, Timer
from clankvox.messages.playback import BufferPoll, DepthDue
from tests.support.manual_clock import ManualClock

DEADLINE_S = 10.0


class NativePanic(BaseException):
    """As davey's PanicException: no Exception."""


class Subject(BaseActor):
    def __init__(self, surroundings, seen, arrived):
        super().__init__(surroundings)
        self._seen = seen
        self._arrived = arrived

    def handle(self, message):
        if isinstance(message, Exception | NativePanic):
            raise message
        if message == "later":
            self.later(0.01, BufferPoll())
            self.at(self._clock.now() + 0.02, DepthDue())
            return None
        if message == "send":
            self.send(ROUTER, Inspect())
            self.report(Inspect())
            return None
        self._seen.append(message)
        self._arrived.release()
        return "answer"


@pytest.fixture
def started():
    seen, arrived, told = [], threading.Semaphore(0), []
    failed = threading.Event()

    def router(message):
        told.append(message)
        failed.set()

    ref = Subject.start(Surroundings(PLAYBACK, SystemClock(), router), seen, arrived)
    yield ref, seen, arrived, told, failed
    ref.stop(block=False)
    ref.actor_stopped.wait(DEADLINE_S)


def test_messages_are_handled_on_the_actors_thread_and_asked_ones_answered(started):
    ref, seen, *_ = started
    assert ref.ask("one", timeout=DEADLINE_S) == "answer"
    assert seen == ["one"]


def test_timers_come_to_oneself(started):
    ref, seen, arrived, *_ = started
    ref.tell("later")
    for _ in range(2):
        assert arrived.acquire(timeout=DEADLINE_S)
    assert seen == [BufferPoll(), DepthDue()]


def test_timers_are_told_by_what_they_will_say():
    told, clock = [], ManualClock()
    subject = Subject(Surroundings(PLAYBACK, clock, told.append), [], threading.Semaphore(0))
    subject.handle("later")
    clock.advance(0.012)
    subject.on_receive(InspectionAsked(ticket=1))
    assert told[0].timers == (Timer("BufferPoll", 0), Timer("DepthDue", 8))


def test_what_is_sent_goes_by_way_of_the_router(started):
    ref, _, _, told, failed = started
    ref.tell("send")
    ref.ask("sync", timeout=DEADLINE_S)
    assert failed.is_set()
    assert told == [Envelope(to=ROUTER, message=Inspect()), Inspect()]


@pytest.mark.parametrize("error", [ValueError("secret-token"), NativePanic("secret-token")])
def test_a_failure_is_told_to_the_router_without_its_text(started, caplog, error):
    ref, _, _, told, failed = started
    with caplog.at_level(logging.ERROR, logger="clankvox.actors"):
        ref.tell(error)
        assert failed.wait(DEADLINE_S)
        assert ref.actor_stopped.wait(DEADLINE_S)
    assert [type(message) for message in told] == [ActorFailed]
    assert told[0].address == PLAYBACK
    assert "secret" not in told[0].error


def test_a_native_panic_ends_its_own_actor_and_no_other(started):
    ref, _, _, _, failed = started
    other = Subject.start(Surroundings(PLAYBACK, SystemClock(), lambda _: None), [], threading.Semaphore(0))
    ref.tell(NativePanic())
    assert failed.wait(DEADLINE_S)
    assert other.ask("alive", timeout=DEADLINE_S) == "answer"
    other.stop(timeout=DEADLINE_S)


def test_telling_the_dead_raises_nothing(started):
    ref, *_ = started
    ref.stop(timeout=DEADLINE_S)
    with pytest.raises(pykka.ActorDeadError):
        ref.tell("x")
    teller(ref)(Inspect())


def test_an_actor_that_is_not_started_is_not_registered():
    actor = Subject(Surroundings(PLAYBACK, SystemClock(), lambda _: None), [], threading.Semaphore(0))
    assert pykka.ActorRegistry.get_all() == []
    assert actor.on_receive("direct") == "answer"


def test_an_actor_has_to_say_what_it_does():
    with pytest.raises(NotImplementedError):
        BaseActor(Surroundings(PLAYBACK, SystemClock(), lambda _: None)).handle(Inspect())
    assert PLAYBACK.kind is ActorKind.PLAYBACK


class Stillborn(BaseActor):
    def begin(self):
        raise RuntimeError


def test_who_cannot_even_begin_is_known_to_have_failed():
    told = queue.SimpleQueue()
    ref = Stillborn.start(Surroundings(PLAYBACK, SystemClock(), told.put))
    failed = told.get(timeout=DEADLINE_S)
    assert (type(failed), failed.address, failed.error) == (ActorFailed, PLAYBACK, "RuntimeError")
    assert ref.actor_stopped.wait(DEADLINE_S)
