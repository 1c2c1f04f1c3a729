"""What a parent, a server, members and faults may do to a stepped call, as mixins for a CallMachine."""

import hypothesis.strategies as st
from hypothesis.stateful import precondition, rule

from clankvox.actors.router import RouterActor
from clankvox.messages.connection import SocketLost, SocketOpened
from clankvox.wire.gateway_ops import Op
from tests.support.crash import FAILS_ON, arm
from tests.support.fake_mls import BAD
from tests.support.watchers import OWN_CHANNELS

USERS = st.sampled_from([42, 43])
PLAYBACKS = st.sampled_from(["p1", "p2", None])
CODES = st.sampled_from([None, 1006, 4004, 4006, 4014, 4015, 4016, 4017, 4020])
MESSAGES = st.sampled_from([b"ok", b"ok", BAD])
TRANSITIONS = st.integers(0, 3)


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
    @rule(whole=st.booleans())
    def session_resumed(self, whole):
        """In answer to op 7, or just so."""
        self.server.resumed() if whole else self.server.text(Op.RESUMED)

    @precondition(lambda self: self.is_open and self.call.connection._is_talking())
    @rule(rest=st.booleans())
    def socket_lost_and_session_resumed(self, rest):
        """Whatever is under way, a resume keeps UDP, keys and group."""
        self.rest()
        if not self.is_open:
            return
        kept = (self.call.udp.attempt, self.call.pipeline.sealer, len(self.call.engines))
        self.server.reset()
        self.maybe(rest)
        if self.is_open and self.call.connection._resumption is not None:
            self.server.resumed()
            self.rest()
            assert (self.call.udp.attempt, self.call.pipeline.sealer, len(self.call.engines)) == kept

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


class Faults:
    """Actors that fail on whatever they handle next, as a mixin."""

    @rule(which=st.integers(0, 9), now=st.booleans())
    def an_actor_fails(self, which, now):
        actors = [actor for actor in self.call.pump.actors if not isinstance(actor, RouterActor)]
        actor = actors[which % len(actors)]
        arm(self.call, actor)
        if now:
            actor.actor_ref.tell(FAILS_ON)

    @rule(which=st.integers(0, 9))
    def an_actor_fails_at_rest(self, which):
        self.rest()
        self.an_actor_fails(which, now=True)
        self.rest()
