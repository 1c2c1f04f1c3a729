"""A stepped call that hypothesis drives: the scheduler, time, and the promises that hold whatever it draws.

A rule only tells; `drain` and `step_some` decide in which order the actors get to hear of it, so that every
interleaving that threads could produce is drawn too.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pykka.messages import _ActorStop

from clankvox.actors.playback import PlaybackActor
from clankvox.actors.publish import PublishActor
from clankvox.actors.router import RouterActor
from clankvox.ids import Role
from clankvox.media.frame_cipher import Gate
from clankvox.media.frame_ledger import FrameFate, FrameImbalance
from tests.support import belongings
from tests.support.factory import Call
from tests.support.kept_orders import kept
from tests.support.promises import BlamedTwice, InClear, LeftOver, NotSaid, OutOfOrder, Unbalanced
from tests.support.watchers import OWN_CHANNELS, EventWatcher, QueueWatcher

NIGHTLY_FACTOR = 100
STEPS = 20
LONGEST_TIMER_S = 61.0
"""Behind the end nothing is armed anew, so after so long no timer is left."""
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"


def profile(examples: int, **more: object) -> settings:
    """So many examples that are the same in every run; a hundred times as many, and other ones, every night."""
    return settings(
        max_examples=examples * NIGHTLY_FACTOR if NIGHTLY else examples,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=not NIGHTLY,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        **more,
    )


def run_suite(suite: type[RuleBasedStateMachine], examples: int, **more: object) -> None:
    """Let hypothesis run `suite`; raises what a broken promise raises, and keeps the steps that led there."""
    case = suite.TestCase
    case.settings = profile(examples, **more)
    with kept(suite), unlogged():
        case("runTest").runTest()


@contextmanager
def unlogged() -> Iterator[None]:
    """Log nothing meanwhile: pytest keeps each record with all that its traceback holds, 2 MiB for a failed actor."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


class CallMachine(RuleBasedStateMachine):
    """What every suite shares: the scheduler, time, and the promises."""

    joins = 0

    @initialize(seed=st.integers(0, 3), version=st.integers(0, 1))
    def begin(self, seed, version):
        self.before = sys.exc_info()[1]
        self.seed = seed
        self.call = self.new_call(seed)
        self.watcher, self.queue_watcher = EventWatcher(), QueueWatcher(self.call.outbox)
        self.prepare(version)

    def new_call(self, seed):
        return Call(seed=seed)

    def prepare(self, version):
        """Bring the call to where the suite begins."""

    def new_join(self, *, named=True):
        self.joins += 1
        self.watcher.joins_asked = self.queue_watcher.joins_asked = self.joins
        self.call.join(f"c{self.joins}" if named else None, OWN_CHANNELS + self.joins)

    def connect(self, version):
        """Join anew and go through the whole handshake."""
        self.new_join()
        self.call.voice_server()
        self.call.voice_state(channel=OWN_CHANNELS + self.joins)
        self.call.drain()
        if self.call.web_socket.attempt is not None:
            self.call.roles[Role.VOICE].server.handshake(version)

    @property
    def server(self):
        return self.call.server

    @property
    def is_open(self):
        return self.server.attempt is not None

    @property
    def is_talking(self):
        return self.is_open and self.call.state("connection") in ("ready", "dave_transition")

    # --- the scheduler and time ---

    @rule()
    def drain(self):
        self.rest()

    @rule(choices=st.lists(st.integers(0, 5), min_size=1, max_size=6))
    def step_some(self, choices):
        for choice in choices:
            self.call.pump.step(lambda count, pick=choice: pick % count)

    @precondition(lambda self: self.call.pacer.due() is not None)
    @rule()
    def a_slot_is_served(self):
        """On the pacer's thread, whatever the actors are about."""
        self.call.clock.move_to(self.call.pacer.due())
        self.call.pacer.serve_slot(self.call.clock.now())

    @rule(seconds=st.sampled_from([0.02, 0.1, 0.3, 0.7, 2.1]))
    def time_passes(self, seconds):
        self.call.run(seconds)
        self.rest()

    @rule(seconds=st.sampled_from([5.1, 16.0]))
    @precondition(lambda self: self.call.pacer.due() is None)
    def long_time_passes(self, seconds):
        self.call.run(seconds)
        self.rest()

    def rest(self):
        """Let everything be handled: then what was told is what is, and every frame has its fate."""
        self.call.drain()
        self.promises_hold()
        self.watcher.at_rest(self.call)
        belongings.check(self.call.pump.actors)
        self.ledgers_sum_up()

    def maybe(self, rest):
        if rest:
            self.rest()

    # --- the promises ---

    @invariant()
    def promises_hold(self):
        if not hasattr(self, "call"):
            return
        self.watcher.see(self.call.frames())
        self.queue_watcher.look()
        self.call.left()
        InClear.unless(self.call.leaks == [], "a frame left in clear")
        for role, parts in self.call.roles.items():
            self.the_gate_is_what_the_group_is(role, parts)

    def the_gate_is_what_the_group_is(self, role, parts):
        if parts.cipher.gate is Gate.ENCRYPT:
            InClear.unless(parts.cipher.group_ready, f"the gate of {role} is open and there is no group")
        if parts.cipher.gate is Gate.CLEAR:
            conversation = parts.dave._conversation
            clear = conversation is not None and conversation.version == 0
            InClear.unless(clear, f"the gate of {role} is open for clear frames")

    def ledgers_sum_up(self):
        senders = [actor for actor in self.call.pump.actors if isinstance(actor, PlaybackActor | PublishActor)]
        ledger = self.call.ledger
        try:
            ledger.check(sum(actor._transmission.pending_frames for actor in senders))
        except FrameImbalance as imbalance:
            raise Unbalanced(str(imbalance)) from imbalance
        if not self.call.pump.failures:  # a report to an actor that is gone is lost with it
            sent = ledger.fates[FrameFate.SENT]
            Unbalanced.unless(sent == self.call.rtp_left, f"{sent} counted as sent, {self.call.rtp_left} left")
        for role, parts in self.call.roles.items():
            self.a_transition_is_blamed_once(role, parts)

    def a_transition_is_blamed_once(self, role, parts):
        for transition, times in parts.server.blamed().items():
            announced = parts.server.announced[transition]
            BlamedTwice.unless(times <= announced, f"{role}: {transition} {times} times, announced {announced}")

    # --- the end ---

    def teardown(self):
        if not hasattr(self, "call") or sys.exc_info()[1] is not self.before:
            return  # what was broken already must not be told as something else
        self.rest()
        OutOfOrder.unless(self.call.state("router") == "serving", "a command never settled")
        self.speech_comes_to_its_end()
        self.call.line(type="destroy")
        self.call.run(0.2)
        self.watcher.see(self.call.frames())
        LeftOver.unless(self.call.exit_codes == [0], f"the process ended with {self.call.exit_codes}")
        if not self.call.pump.failures:
            self.watcher.at_the_end()
        self.nothing_is_left_over()

    def nothing_is_left_over(self):
        """Behind the end nothing leaves and nothing is open, and actors that are stopped give back what they had."""
        call = self.call
        sent = [len(parts.udp.sent) for parts in call.roles.values()]
        call.run(LONGEST_TIMER_S)
        LeftOver.unless(call.events() == [], "an event behind the end")
        LeftOver.unless(call.pacer.due() is None, "a slot")
        LeftOver.unless(sent == [len(parts.udp.sent) for parts in call.roles.values()], "packets leave behind the end")
        for role, parts in call.roles.items():
            sockets = (parts.udp.attempt, parts.web_socket.attempt)
            LeftOver.unless(sockets == (None, None), f"an open socket of {role}")
        for actor in [actor for actor in call.pump.actors if not isinstance(actor, RouterActor)]:
            LeftOver.unless(actor.inbox.next_timer() is None, f"a timer of {type(actor).__name__}")
        Unbalanced.unless(call.pump.failures or not call.ledger.pending, f"{call.ledger.pending} frames without a fate")
        self.actors_give_back_what_they_have()

    def actors_give_back_what_they_have(self):
        call = self.call
        for actor in list(call.pump.actors):
            actor.actor_ref.tell(_ActorStop())
        call.drain()
        LeftOver.unless(call.pump.actors == [], "an actor")
        LeftOver.unless(call.sources.open_attempts == [], "an open source")
        LeftOver.unless(call.publisher.request is None, "a source that is published")
        for role, parts in call.roles.items():
            LeftOver.unless(parts.cipher.gate is Gate.CLOSED and not parts.cipher.group_ready, f"the group of {role}")
            with parts.board.lock:
                LeftOver.unless(not parts.board._armed, f"a capture of {role}")

    def speech_comes_to_its_end(self):
        """With an open way out, what was begun is said within its length and a second."""
        self.call.udp.broken = False
        if self.watcher.open_playback is not None:
            self.call.finish(self.watcher.open_playback)
        for _ in range(16):
            if self.call.state("playback") == "idle":
                return
            self.server.acknowledge()
            self.call.run(1.0)
        self.promises_hold()
        if self.call.cipher.gate is not Gate.CLOSED and self.call.state("connection") in ("ready", "dave_transition"):
            NotSaid.unless(self.call.state("playback") == "idle", "speech that never ends")
