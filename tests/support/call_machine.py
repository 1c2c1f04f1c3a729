"""A stepped call that hypothesis drives: the scheduler, time, and the promises that hold whatever it draws.

A rule only tells; `drain` and `step_some` decide in which order the actors get to hear of it, so that every
interleaving that threads could produce is drawn too.
"""

import os

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from clankvox.actors.playback import PlaybackActor
from clankvox.actors.publish import PublishActor
from clankvox.media.frame_cipher import Gate
from tests.support.factory import Call
from tests.support.watchers import OWN_CHANNELS, EventWatcher

NIGHTLY_FACTOR = 100
STEPS = 20
_NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"


def profile(examples: int, **more: object) -> settings:
    """So many examples that are the same in every run; a hundred times as many, and other ones, every night."""
    return settings(
        max_examples=examples * NIGHTLY_FACTOR if _NIGHTLY else examples,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=not _NIGHTLY,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        **more,
    )


def run_suite(suite: type[RuleBasedStateMachine], examples: int, **more: object) -> None:
    """Let hypothesis run `suite`; raises what a broken promise raises, with the steps that led there."""
    case = suite.TestCase
    case.settings = profile(examples, **more)
    case("runTest").runTest()


class CallMachine(RuleBasedStateMachine):
    """What every suite shares: the scheduler, time, and the promises."""

    joins = 0

    @initialize(seed=st.integers(0, 3), version=st.integers(0, 1))
    def begin(self, seed, version):
        self.call = Call(seed=seed)
        self.watcher = EventWatcher()
        self.prepare(version)

    def prepare(self, version):
        """Bring the call to where the suite begins."""

    def new_join(self, *, named=True):
        self.joins += 1
        self.call.join(f"c{self.joins}" if named else None, OWN_CHANNELS + self.joins)

    def connect(self, version):
        """Join anew and go through the whole handshake."""
        self.new_join()
        self.call.voice_server()
        self.call.voice_state(channel=OWN_CHANNELS + self.joins)
        self.call.drain()
        self.call.server.handshake(version)

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
        senders = [actor for actor in self.call.pump.actors if isinstance(actor, PlaybackActor | PublishActor)]
        self.call.ledger.check(sum(actor._transmission.pending_frames for actor in senders))

    def maybe(self, rest):
        if rest:
            self.rest()

    @property
    def server(self):
        return self.call.server

    @property
    def is_open(self):
        return self.server.attempt is not None

    @rule()
    def drain(self):
        self.rest()

    @rule(choices=st.lists(st.integers(0, 5), min_size=1, max_size=6))
    def step_some(self, choices):
        for choice in choices:
            self.call.pump.step(lambda count, pick=choice: pick % count)

    @rule(seconds=st.sampled_from([0.02, 0.1, 0.3, 0.7, 2.1]))
    def time_passes(self, seconds):
        self.call.run(seconds)
        self.rest()

    @invariant()
    def promises_hold(self):
        if not hasattr(self, "call"):
            return
        self.watcher.see(self.call.frames())
        self.call.left()
        assert self.call.leaks == [], "a frame left in clear"
        conversation = self.call.dave._conversation
        if self.call.cipher.gate is Gate.ENCRYPT:
            assert self.call.cipher.group_ready
        if self.call.cipher.gate is Gate.CLEAR:
            assert conversation is not None
            assert conversation.version == 0

    def teardown(self):
        if not hasattr(self, "call"):
            return
        self.rest()
        assert self.call.state("router") == "serving", "a command never settled"
        self.speech_comes_to_its_end()
        self.call.line(type="destroy")
        self.call.run(0.2)
        self.watcher.see(self.call.frames())
        assert self.call.exit_codes == [0]
        self.nothing_is_left_over()

    def nothing_is_left_over(self):
        """Behind the end nothing leaves and nothing is open."""
        sent = len(self.call.udp.sent)
        self.call.run(20.0)
        assert self.call.events() == []
        assert (self.call.pacer.due(), len(self.call.udp.sent)) == (None, sent)
        assert self.call.sources.open_attempts == []
        for role in self.call.roles.values():
            assert (role.udp.attempt, role.web_socket.attempt) == (None, None)

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
            assert self.call.state("playback") == "idle", "speech that never ends"
