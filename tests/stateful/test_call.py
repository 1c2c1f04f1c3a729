"""Any order of anything: hypothesis plays parent, server, members and scheduler, and the promises hold.

A rule only tells; `drain` and `step_some` decide in which order the actors get to hear of it, so that every
interleaving that threads could produce is drawn too. One suite for each part of the product, same promises.
"""

import os

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from clankvox.media.frame_cipher import Gate
from clankvox.messages.connection import SocketLost, SocketOpened
from tests.support.factory import Call
from tests.support.fake_mls import BAD
from tests.support.watchers import OWN_CHANNELS, EventWatcher

settings.register_profile(
    "ci",
    max_examples=200,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
settings.register_profile("nightly", parent=settings.get_profile("ci"), max_examples=5_000, derandomize=False)
PROFILE = settings.get_profile(os.environ.get("CLANKVOX_HYPOTHESIS", "ci"))

USERS = st.sampled_from([42, 43])
PLAYBACKS = st.sampled_from(["p1", "p2", None])
CODES = st.sampled_from([None, 1006, 4004, 4006, 4014, 4015, 4016, 4017, 4020])
MESSAGES = st.sampled_from([b"ok", b"ok", BAD])
TRANSITIONS = st.integers(0, 3)


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
        """Let everything be handled: then what was told is what is."""
        self.call.drain()
        self.promises_hold()
        self.watcher.at_rest(self.call)

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


class Commands:
    """Rules of the parent's connection commands, as a mixin."""

    @rule(named=st.booleans())
    def join(self, named):
        self.new_join(named=named)

    @rule()
    def leave(self):
        self.call.line(type="leave")

    @rule(
        token=st.sampled_from(["t1", "t2", None]), endpoint=st.sampled_from(["a.example", "b.example", "ws://no", None])
    )
    def voice_server(self, token, endpoint):
        self.call.voice_server(endpoint, token)

    @rule(session=st.sampled_from(["s1", "s2"]), moved=st.sampled_from([False, False, True]))
    def voice_state(self, session, moved):
        self.call.voice_state(session, 20 if moved else OWN_CHANNELS + self.joins)

    @rule(data=st.sampled_from([{"channel_id": None}, {"session_id": None}, {"user_id": None}, {"session_id": "s3"}]))
    def partial_voice_state(self, data):
        self.call.line(type="voice_state", data=data)


class Handshake:
    """Rules of a server that says things in and out of order, as a mixin."""

    @precondition(lambda self: self.is_open)
    @rule(what=st.sampled_from(["opened", "hello", "ready", "discovered", "before_session"]))
    def handshake_step(self, what):
        getattr(self.server, what)()

    @precondition(lambda self: self.is_open)
    @rule(version=st.sampled_from([0, 1, 1]))
    def session_description(self, version):
        self.server.session(version)

    @precondition(lambda self: self.is_open)
    @rule(version=st.sampled_from([0, 1, 1]))
    def whole_handshake(self, version):
        self.server.handshake(version)

    @precondition(lambda self: self.is_open)
    @rule(code=CODES)
    def socket_lost(self, code):
        self.server.lost(code)

    @precondition(lambda self: self.is_open)
    @rule()
    def udp_lost(self):
        self.server.udp_lost()

    @rule(back=st.integers(1, 3), code=CODES)
    def late_news_of_an_old_socket_is_invisible(self, back, code):
        self.rest()
        attempt = max(0, self.call.connection._attempt - back)
        tell = self.call.connection.actor_ref.tell
        tell(SocketOpened(attempt=attempt))
        tell(SocketLost(attempt=attempt, close_code=code, reason="late"))
        self.call.drain()
        assert self.call.frames() == []


class Group:
    """Rules of a DAVE delivery service that does anything, as a mixin."""

    @precondition(lambda self: self.is_open)
    @rule(user=USERS, here=st.booleans(), rest=st.booleans())
    def member(self, user, here, rest):
        self.server.members(user) if here else self.server.member_gone(user)
        self.maybe(rest)

    @precondition(lambda self: self.is_open)
    @rule(package=st.sampled_from([b"sender", b"sender", BAD]), rest=st.booleans())
    def external_sender(self, package, rest):
        self.server.external_sender(package)
        self.maybe(rest)

    @precondition(lambda self: self.is_open)
    @rule(payload=st.sampled_from([b"\x00add", b"\x01x", BAD]))
    def proposals(self, payload):
        self.server.proposals(payload)

    @precondition(lambda self: self.is_open)
    @rule(kind=st.sampled_from(["commit", "welcome"]), transition=TRANSITIONS, message=MESSAGES, rest=st.booleans())
    def group_change(self, kind, transition, message, rest):
        getattr(self.server, kind)(transition, message)
        self.maybe(rest)

    @precondition(lambda self: self.is_open)
    @rule(transition=TRANSITIONS, version=st.integers(0, 1), rest=st.booleans())
    def prepare_transition(self, transition, version, rest):
        self.server.prepare_transition(transition, version)
        self.maybe(rest)

    @precondition(lambda self: self.is_open)
    @rule(transition=TRANSITIONS, rest=st.booleans())
    def execute_transition(self, transition, rest):
        self.server.execute_transition(transition)
        self.maybe(rest)

    @precondition(lambda self: self.is_open)
    @rule(version=st.integers(0, 1), rest=st.booleans())
    def whole_transition(self, version, rest):
        self.server.prepare_transition(9, version)
        self.maybe(rest)
        if self.is_open:
            self.server.execute_transition(9)

    @precondition(lambda self: self.is_open)
    @rule(epoch=st.sampled_from([1, 1, 2]), version=st.sampled_from([0, 1, 1]), rest=st.booleans())
    def prepare_epoch(self, epoch, version, rest):
        self.server.prepare_epoch(epoch, version)
        self.maybe(rest)

    @rule()
    def undecryptable(self):
        self.call.pipeline._facts.undecryptable(1, None, 36)


class Speech:
    """Rules of TTS, as a mixin."""

    @rule(playback_id=PLAYBACKS, ms=st.sampled_from([10, 60, 400, 14_000]), level=st.sampled_from([0, 8_000]))
    def audio(self, playback_id, ms, level):
        self.call.audio(playback_id, ms, level=level)

    @rule(playback_id=PLAYBACKS, chunk=st.sampled_from([{"pcmBase64": "*"}, {"pcmBase64": ""}, {"sampleRate": 1}]))
    def bad_audio(self, playback_id, chunk):
        self.call.audio(playback_id, **chunk)

    @rule(playback_id=st.sampled_from(["p1", "p2"]))
    def finish(self, playback_id):
        self.call.finish(playback_id)

    @rule(playback_id=PLAYBACKS)
    def stop_tts(self, playback_id):
        ids = {} if playback_id is None else {"playbackId": playback_id}
        self.call.line(type="stop_tts_playback", **ids)

    @rule()
    def stop_playback(self):
        self.call.line(type="stop_playback")

    @rule(broken=st.booleans())
    def way_out(self, broken):
        self.call.udp.broken = broken


class Listening:
    """Rules of captures and of those who speak, as a mixin."""

    captures = 0

    @rule(user=USERS, one_shot=st.booleans(), silence_ms=st.sampled_from([100, 700]))
    def subscribe(self, user, one_shot, silence_ms):
        self.captures += 1
        ids = {"captureId": f"k{self.captures}"} if one_shot else {}
        self.call.line(type="subscribe_user", userId=str(user), silenceDurationMs=silence_ms, **ids)

    @rule(user=USERS)
    def unsubscribe(self, user):
        self.call.line(type="unsubscribe_user", userId=str(user))

    @rule(user=USERS, packets=st.integers(1, 2))
    def an_order_is_on_its_way_while_speech_comes(self, user, packets):
        self.rest()
        self.unsubscribe(user)
        self.call.pump.step()  # the router has passed it on
        for _ in range(packets):
            self.call.pipeline.packet(user)

    @rule(user=USERS)
    def packet(self, user):
        self.call.pipeline.packet(user)

    @rule(user=USERS)
    def whoever_is_subscribed_is_heard(self, user):
        self.rest()
        armed = self.call.states().get(str(user)) in ("armed", "capturing")
        self.call.pipeline.packet(user)
        self.call.drain()  # what the parent is told first has its way to go
        frames = self.call.frames()
        self.watcher.see(frames)
        assert any(kind == 1 for kind, _ in frames) == (armed and self.call.pipeline.sealer is not None)

    @rule(user=USERS)
    def pause(self, user):
        self.call.pipeline.pause(user)

    @rule(user=USERS)
    def silence(self, user):
        self.call.pipeline.silence(user)


class Connection(Commands, Handshake, CallMachine):
    """Joins, leaves, moves and losses."""

    @precondition(lambda self: not self.is_open)
    @rule(version=st.integers(0, 1))
    def whole_connection(self, version):
        self.connect(version)

    @precondition(lambda self: self.is_open)
    @rule()
    def a_transition_is_announced(self):
        self.server.welcome(1)


class DaveChurn(Group, CallMachine):
    """Groups that come, change and go, while somebody speaks."""

    def prepare(self, version):
        self.connect(version)

    @rule(how=st.sampled_from(["lost", "leave", "join"]), version=st.sampled_from([0, 1, 1]))
    def connection_made_anew(self, how, version):
        match how:
            case "lost" if self.is_open:
                self.server.lost()
                self.call.run(17.0)
                if self.is_open:
                    self.server.handshake(version)
                return
            case "leave":
                self.call.line(type="leave")
        self.connect(version)

    @rule()
    def speak(self):
        self.call.audio(None, 400)


class Tts(Speech, CallMachine):
    """Playbacks over a way out that comes and goes."""

    def prepare(self, version):
        self.connect(version)

    @rule(version=st.integers(0, 1))
    def reconnect(self, version):
        if self.is_open:
            self.server.lost()
        self.call.run(17.0)
        if self.is_open:
            self.server.handshake(version)

    @rule()
    def group(self):
        if self.is_open:
            self.server.members(42)
            self.server.welcome(0)
            self.rest()


class Capture(Listening, CallMachine):
    """Captures of users who speak, fall silent, leave and come back."""

    def prepare(self, version):
        self.connect(version)

    @rule(user=USERS)
    def member_gone(self, user):
        if self.is_open:
            self.server.member_gone(user)

    @rule(join=st.booleans())
    def reset(self, join):
        self.new_join() if join else self.call.line(type="leave")
        self.call.voice_server()
        self.call.voice_state(channel=OWN_CHANNELS + self.joins)

    @rule()
    def link_lost_and_made_anew(self):
        if self.is_open:
            self.server.lost()
            self.call.run(1.1)
        if self.is_open:
            self.server.handshake(0)


class RouterCommands(Commands, Handshake, Speech, Listening, Group, CallMachine):
    """Everything at once."""


@pytest.mark.parametrize(
    "suite", [Connection, DaveChurn, Tts, Capture, RouterCommands], ids=lambda suite: suite.__name__
)
def test_every_order_of_everything_keeps_the_promises(suite):
    case = suite.TestCase
    case.settings = PROFILE
    case("runTest").runTest()
