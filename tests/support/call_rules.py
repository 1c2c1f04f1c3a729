"""What a parent, a server, members and faults may do to a stepped call, as mixins for a CallMachine."""

import hypothesis.strategies as st
from hypothesis.stateful import precondition, rule

from clankvox.actors.router import RouterActor
from clankvox.actors.wish import INTERNAL_ERROR
from clankvox.ids import PUBLISH, Role, connection_address, dave_address
from clankvox.media.hearing import Hearing
from clankvox.messages import connection as link
from clankvox.messages import dave
from clankvox.wire.gateway_ops import Op, Speaking
from tests.support.crash import FAILS_ON, arm
from tests.support.fake_mls import BAD
from tests.support.promises import NotAsTold, NotHeard, NotMended, NotResumed, NotSaid, OverBudget, StaleNews
from tests.support.watchers import OWN_CHANNELS

USERS = st.sampled_from([42, 43])
PLAYBACKS = st.sampled_from(["p1", "p2", None])
CODES = st.sampled_from([None, 1006, 4004, 4006, 4014, 4015, 4016, 4017, 4020])
MESSAGES = st.sampled_from([b"ok", b"ok", BAD])
TRANSITIONS = st.integers(0, 3)

LATE = {
    "opened": lambda old: link.SocketOpened(attempt=old),
    "text": lambda old: link.SocketText(attempt=old, text='{"op":9,"d":null}'),
    "lost": lambda old: link.SocketLost(attempt=old, close_code=None, reason="late"),
    "refused": lambda old: link.SocketLost(attempt=old, close_code=4006, reason="late"),
    "deadline": lambda old: link.DeadlineReached(attempt=old),
    "gateway_poll": lambda old: link.GatewayPoll(attempt=old),
    "resume_due": lambda old: link.ResumeDue(attempt=old),
    "udp_lost": lambda old: link.UdpLost(attempt=old, reason="late"),
    "discovered": lambda old: link.DiscoveryReplied(attempt=old, address="203.0.113.9", port=1),
    "discovery_poll": lambda old: link.DiscoveryPoll(attempt=old),
    "keepalive": lambda old: link.KeepaliveDue(attempt=old),
    "send": lambda old: link.SendGatewayJson(
        attempt=old, op=Op.SPEAKING, payload=Speaking(speaking=0, ssrc=1, delay=0)
    ),
    "ask": lambda old: link.AskDue(attempt=old),
    "retry": lambda old: link.RetryDue(attempt=old),
    "overdue": lambda old: link.CredentialsOverdue(attempt=old),
    "prepared": lambda old: link.TransitionPrepared(attempt=old),
    "settled": lambda old: link.TransitionSettled(attempt=old),
}
"""News for the connection actor that carry a number."""
LATE_FOR_DAVE = {
    "op": lambda old: dave.DaveOpReceived(attempt=old, op=Op.MLS_WELCOME, payload=b"\x00\x00ok"),
    "members": lambda old: dave.MembersConnected(attempt=old, user_ids=(44,)),
    "gone": lambda old: dave.MemberDisconnected(attempt=old, user_id=42),
    "recovery": lambda old: dave.RecoveryDue(attempt=old),
    "undecryptable": lambda old: dave.FramesUndecryptable(attempt=old),
}
PROOFS = st.sampled_from(["unopened", "unanswered"])
LADDER = {"unopened": ["udp", "dave", "resume", "rejoin"], "unanswered": ["udp", "resume", "rejoin"]}
"""Steps of the watchdog, gentlest first."""


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


class Resumes:
    """Rules of sockets that are replaced under a session that goes on, as a mixin."""

    @precondition(lambda self: self.is_open)
    @rule(whole=st.booleans())
    def session_resumed(self, whole):
        """In answer to op 7, or just so."""
        self.server.resumed() if whole else self.server.text(Op.RESUMED)

    @precondition(lambda self: self.is_open)
    @rule()
    def socket_reset(self):
        self.server.reset()

    @precondition(lambda self: self.is_talking)
    @rule(rest=st.booleans())
    def socket_lost_and_session_resumed(self, rest):
        """Whatever is under way, a resume keeps UDP, keys and group."""
        self.rest()
        if not self.is_open:
            return
        kept = (self.call.udp.attempt, self.call.pipeline.sealer, len(self.call.engines))
        self.server.members(42)
        self.rest()
        number, said = self.server.last_number, len(self.server.json_sent())
        self.server.reset()
        self.maybe(rest)
        self.call.drain()
        if not self.is_open or self.call.connection._resumption is None:
            return
        self.server.resumed()
        self.rest()
        NotResumed.unless(self.is_talking, "the server has confirmed it and the session does not go on")
        now = (self.call.udp.attempt, self.call.pipeline.sealer, len(self.call.engines))
        NotResumed.unless(now == kept, "socket, key or group is another one")
        since = self.server.json_sent()[said:]
        named = [d["seq_ack"] for op, d in since if op == Op.RESUME]
        NotResumed.unless(named == [number], f"resumed from {named}, heard up to {number}")
        NotResumed.unless(Op.HEARTBEAT not in [op for op, _ in since], "a heartbeat of the socket before")

    @precondition(lambda self: self.is_talking)
    @rule(code=st.sampled_from([None, 4006]))
    def the_server_fails_again_and_again(self, code):
        """Ten times within a minute: after three resumes a new session is made, and after five of these it is over."""
        self.rest()
        server, said = self.server, len(self.server.json_sent())
        for _ in range(10):
            if not self.is_open:
                break
            server.lost(code)
            self.call.run(1.1)
            if self.is_open and self.call.connection._resumption is not None:
                server.resumed()
            elif self.is_open:
                server.handshake(0)
        self.rest()
        sessions = [0]
        for op, _ in server.json_sent()[said:]:
            sessions += [0] if op == Op.IDENTIFY else []
            sessions[-1] += op == Op.RESUME
        OverBudget.unless(len(sessions) <= 6, f"{len(sessions) - 1} sessions in a row")
        OverBudget.unless(max(sessions) <= 3, f"{max(sessions)} resumes of a session in a row")


class LateNews:
    """Rules of what comes too late, as a mixin: sockets, timers and groups that are over."""

    @rule(back=st.integers(1, 3), lost=st.booleans())
    def late_news_of_an_old_socket_is_invisible(self, back, lost):
        if lost and self.is_open:
            self.server.lost()
        for news in LATE.values():
            self.nothing_comes_of(connection_address(Role.VOICE), news, back)

    @rule(back=st.integers(1, 3))
    def late_news_of_an_old_group_is_invisible(self, back):
        for news in LATE_FOR_DAVE.values():
            self.nothing_comes_of(dave_address(Role.VOICE), news, back)

    def nothing_comes_of(self, address, news, back):
        """Tell what carries the number of a socket or session that is over."""
        self.rest()
        actor = self.call.connection
        old = actor._last_number - back
        if old in (actor._socket, actor._attempt) or old < 1:
            return
        before = self.what_shows()
        self.call.actor(address).actor_ref.tell(news(old))
        self.call.drain()
        StaleNews.unless(self.call.frames() == [], f"the parent is told of {news(old)}")
        StaleNews.unless(self.what_shows() == before, f"something comes of {news(old)}")

    def what_shows(self):
        voice = self.call.roles[Role.VOICE]
        said = (len(voice.web_socket.sent), len(voice.web_socket.urls), len(voice.udp.sent))
        conversation = self.call.dave._conversation
        others = None if conversation is None else conversation.others
        return (self.call.states(), said, voice.web_socket.attempt, voice.udp.attempt, voice.cipher.gate, others)


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

    @precondition(lambda self: self.call.pacer.due() is not None)
    @rule()
    def a_stop_is_on_its_way_as_a_slot_is_served(self):
        self.rest()
        self.call.line(type="stop_tts_playback")
        self.call.pump.step()  # the router has passed it on
        if self.call.pacer.due() is not None:
            self.a_slot_is_served()
        self.rest()

    wholes = 0

    @rule(ms=st.sampled_from([60, 400]), change=st.sampled_from(["none", "key", "reset", "slot", "lost"]))
    def what_is_said_is_said_as_a_whole(self, ms, change):
        """Whatever becomes of keys, sockets and links meanwhile, as long as there is a way out in the end."""
        self.rest()
        way = self.is_talking and self.call.cipher.gate != "closed" and not self.call.udp.broken
        if not way or self.call.state("playback") != "idle" or self.call.state("music") != "idle":
            return
        self.wholes += 1
        name, failed = f"whole{self.wholes}", len(self.call.pump.failures)
        self.call.audio(name, ms)
        self.call.finish(name)
        self.call.run(0.05)
        self.something_changes(change)
        self.call.run(1.0)
        frames = self.call.frames()
        self.watcher.see(frames)
        way = self.is_talking and self.call.cipher.gate != "closed"
        ends = [e for e in self.watcher.decoded(frames) if e.get("playbackId") == name and "playedMs" in e]
        if way and change != "lost" and failed == len(self.call.pump.failures):
            heard = [(end["status"], end["playedMs"]) for end in ends]
            NotSaid.unless(("drained", ms) in heard, f"{ms} ms became {heard} after {change}")

    def something_changes(self, change):
        match change:
            case "key" if self.call.cipher.group_ready:
                self.server.commit(0)
            case "reset":
                self.server.reset()
                self.call.drain()
                if self.is_open and self.call.connection._resumption is not None:
                    self.server.resumed()
            case "slot" if self.call.pacer.due() is not None:
                self.call.clock.move_to(self.call.pacer.due())
                self.call.pacer.serve_slot(self.call.clock.now())
                self.server.commit(0)
            case "lost":
                self.server.lost()
                self.call.run(1.1)
                if self.is_open:
                    self.server.handshake(0)


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
        heard = any(kind == 1 for kind, _ in frames)
        wanted = armed and self.call.pipeline.sealer is not None
        NotHeard.unless(heard == wanted, f"{user} is {'heard' if heard else 'not heard'}")

    @rule(user=USERS)
    def what_follows_an_utterance_is_heard_too(self, user):
        self.subscribe(user, one_shot=False, silence_ms=100)
        self.whoever_is_subscribed_is_heard(user)
        self.call.pipeline.silence(user)
        self.whoever_is_subscribed_is_heard(user)

    @rule(user=USERS)
    def pause(self, user):
        self.call.pipeline.pause(user)

    @rule(user=USERS)
    def silence(self, user):
        self.call.pipeline.silence(user)


class Deafness:
    """Rules of members who speak and are not heard, as a mixin; ModelPipeline hears what it is told to."""

    @precondition(lambda self: self.is_talking)
    @rule(opened=st.integers(0, 50), unopened=st.integers(0, 50), pong=st.booleans())
    def hearing(self, opened, unopened, pong):
        """What came in the last 5 s; sometimes a keepalive is answered."""
        pipeline = self.call.pipeline
        pipeline.heard = Hearing(pipeline.heard.opened + opened, pipeline.heard.unopened + unopened)
        if pong:
            pipeline._facts.pong(self.call.connection._keepalives)

    @precondition(lambda self: self.is_talking)
    @rule(proof=PROOFS, periods=st.integers(1, 5))
    def members_speak_and_nothing_is_heard(self, proof, periods):
        """From the foot of the ladder one step every 5 s, in their order; those that are used up are left out."""
        self.hearing(1, 0, pong=True)
        self.server.text(Op.SPEAKING, {"user_id": "42", "ssrc": 5, "speaking": 1})
        self.run_answered(3.1)  # patience, and too short for keepalives to be missed
        steps = []
        for _ in range(periods * (1 if proof == "unopened" else 2)):
            if not self.is_talking:
                return
            if proof == "unopened":
                self.hearing(0, 40, pong=True)
            steps += self.run_answered(5.1)
        ladder = iter(LADDER[proof])
        NotMended.unless(all(step in ladder for step in steps), f"{steps} after {proof}")
        NotMended.unless(steps[:1] in ([], LADDER[proof][:1]), f"{steps} began with {steps[:1]}")

    def run_answered(self, seconds):
        """Let time pass with a server that answers heartbeats, discovery and resumes; returns the watchdog's steps."""
        self.server.acknowledge()
        self.call.run(seconds)
        if self.is_open and self.call.connection._discovery is not None:
            self.server.discovered()
        if self.is_open and self.call.connection._resumption is not None:
            self.server.resumed()
        frames = self.call.frames()
        self.watcher.see(frames)
        return [event["step"] for event in self.watcher.decoded(frames) if event["type"] == "recovery"]


class Faults:
    """Actors that fail on whatever they handle next, as a mixin."""

    def an_actor(self, which):
        actors = [actor for actor in self.call.pump.actors if not isinstance(actor, RouterActor)]
        return actors[which % len(actors)]

    @rule(which=st.integers(0, 9), now=st.booleans())
    def an_actor_fails(self, which, now):
        actor = self.an_actor(which)
        arm(self.call, actor)
        if now:
            actor.actor_ref.tell(FAILS_ON)

    @rule(which=st.integers(0, 9))
    def an_actor_fails_at_rest(self, which):
        self.rest()
        self.an_actor_fails(which, now=True)
        self.rest()

    @rule(which=st.integers(0, 9))
    def an_actor_that_fails_too_often_takes_its_role_with_it(self, which):
        """Three times in ten seconds there is an heir; the fourth failure is told and ends the role."""
        self.rest()
        address = self.an_actor(which)._address
        publishes = self.call.has_actor(PUBLISH) and self.call.state("stream_publish publish") != "idle"
        began = self.call.clock.now()
        for _ in range(4):
            if self.call.actor(address) not in self.call.pump.actors:
                return
            arm(self.call, self.call.actor(address))
            self.call.actor(address).actor_ref.tell(FAILS_ON)
            self.call.drain()
        if self.call.clock.now() - began > 1.0:
            return
        frames = self.call.frames()
        self.watcher.see(frames)
        events = self.watcher.decoded(frames)
        told = [event.get("message", "") for event in events]
        OverBudget.unless("internal error: Bug" in told, f"{address} may fail as often as it likes")
        states = [event for event in events if event["type"] == "transport_state"]
        ends = [event for event in states if (event["status"], event.get("reason")) == ("failed", INTERNAL_ERROR)]
        wanted = [publishes] if address == PUBLISH else [False, publishes and address.role is Role.STREAM_PUBLISH]
        NotAsTold.unless(len(ends) in wanted, f"{ends} where {'a' if publishes else 'no'} source was published")
        self.rest()
