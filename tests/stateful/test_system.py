"""The whole system with faults: actors fail at any moment, in any order with all else, and the promises hold.

One suite for each actor that test_call does not have, one for each that fails, and one for everything at once:
MusicOrders is the music actor's, PicturesSeen the video actor's, OwnStream the publish actor's, and StreamGroups that
of the stream connections and of their DAVE actors.
"""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis.stateful import precondition, rule

from clankvox.fsm.publish import PublishState
from clankvox.ids import MUSIC, PLAYBACK, PUBLISH, Role, UserId, capture_address
from tests.actors.test_stream import connect
from tests.support.call_machine import NIGHTLY, CallMachine, run_suite
from tests.support.call_rules import USERS, Commands, Faults, Group, Handshake, Listening, Speech
from tests.support.crash import crash
from tests.support.media_rules import Music, Pictures, Publishing, Streams
from tests.support.promises import LeftOver, NotHeard, NotResumed
from tests.support.watchers import OWN_CHANNELS


class Connected(CallMachine):
    """Suites that begin in a call."""

    def prepare(self, version):
        self.connect(version)

    @precondition(lambda self: not self.is_open)
    @rule()
    def whole_connection(self):
        self.connect(0)

    @precondition(lambda self: self.is_open)
    @rule()
    def reconnect(self):
        self.server.lost(4006)
        self.call.run(1.1)
        if self.is_open:
            self.server.handshake(0)

    @rule()
    def leave(self):
        self.call.line(type="leave")


class MusicOrders(Music, Speech, Connected):
    """Pieces of music that begin, are held, replaced and lost."""


class PicturesSeen(Pictures, Connected):
    """Those who send pictures, and the wishes to see them."""

    def rest(self):
        super().rest()
        video = self.call.roles[Role.VOICE].video
        wanted = {user for user, _ in video._subscriptions.items()} & video._remote.keys()
        looked_at = {stream.user_id for stream in self.looked_at() if stream.wish is not None}
        wanted = {UserId(user) for user in wanted} if video._state != "unlinked" else set()
        NotHeard.unless(looked_at == wanted, f"{wanted} shall be seen, and {looked_at} are looked at")

    def looked_at(self):
        lists = self.call.roles[Role.VOICE].desk.lists
        return lists[-1] if lists else ()


class OwnStream(Publishing, Streams, Connected):
    """Sources and connections of our own stream, which come and go without each other."""

    def rest(self):
        super().rest()
        if not self.call.has_actor(PUBLISH):
            return
        state = PublishState(self.call.actor(PUBLISH)._machine.current_state_value)
        worker = self.call.publisher
        idle = state is PublishState.IDLE
        LeftOver.unless((worker.request is None) == idle, f"publish is {state}, its worker has {worker.request}")
        has_path = self.call.actor(PUBLISH)._path is not None
        LeftOver.unless((worker.attempt is not None) == has_path, f"the worker has another path: {worker.attempt}")
        linked = state in (PublishState.PLAYING, PublishState.PAUSED)
        LeftOver.unless(worker.attempt is not None or not linked, f"publish is {state} without a connection")


class StreamGroups(Group, Streams, Publishing, Connected):
    """Streams with a group of their own, which changes while the other roles' do not."""

    def prepare(self, version):
        super().prepare(version)
        self.role = (Role.STREAM_WATCH, Role.STREAM_PUBLISH)[self.seed % 2]
        self.connect_anew(1)
        self.whole_group()

    @property
    def server(self):
        return self.call.roles[getattr(self, "role", Role.VOICE)].server

    @precondition(lambda self: self.is_open)
    @rule()
    def whole_group(self):
        self.server.members(42)
        self.server.welcome(0)
        self.rest()

    @precondition(lambda self: not self.is_open)
    @rule(version=st.sampled_from([0, 1, 1]))
    def connect_anew(self, version):
        connect(self.call, str(self.role))
        self.server.handshake(version)

    @precondition(lambda self: self.is_open)
    @rule(rest=st.booleans())
    def socket_lost_and_resumed(self, rest):
        """A stream's session is resumed as the call's is: its group goes on."""
        self.rest()
        connection = self.call.roles[self.role].connection
        if not (self.is_open and connection._has_session()) or connection._resumption is not None:
            return
        kept = (self.call.roles[self.role].udp.attempt, len(self.call.engines))
        self.server.reset()
        self.maybe(rest)
        self.call.drain()
        if self.is_open and connection._resumption is not None:
            self.server.resumed()
            self.rest()
            now = (self.call.roles[self.role].udp.attempt, len(self.call.engines))
            NotResumed.unless(kept == now, f"{self.role}: socket or group is another one")

    @precondition(lambda self: self.call.publisher.audio is not None)
    @rule(ms=st.sampled_from([40, 400]))
    def sound_of_the_stream(self, ms):
        audio, now = self.call.publisher.audio, self.call.clock.now()
        audio.put(audio.lease(), now, np.full((ms * 48, 2), 8_000, np.int16))
        self.time_passes(0.1)


class FailingConnection(Faults, Commands, Handshake, Group, CallMachine):
    """Failures while a call is made, moved and lost."""

    def prepare(self, version):
        self.connect(version)


class FailingSound(Faults, Speech, Music, Connected):
    """Failures under speech and music."""

    spoken = 0

    @rule()
    def playback_fails_in_speech(self):
        self.spoken += 1
        self.call.audio(f"s{self.spoken}", 400)
        self.rest()
        crash(self.call, PLAYBACK)
        self.rest()

    @rule(how=st.sampled_from(["end", "fail", "stop"]))
    def music_fails_behind_the_end_of_a_piece(self, how):
        self.a_piece_sounds(named=True)
        self.order_music("stop", named=True) if how == "stop" else self.sources_are_over(how)
        self.call.run(3.0)
        self.rest()
        crash(self.call, MUSIC)
        self.rest()


class FailingCaptures(Faults, Listening, Connected):
    """Failures while others speak."""

    @rule(user=USERS)
    def a_capture_that_hears_fails(self, user):
        self.subscribe(user, one_shot=True, silence_ms=700)
        self.rest()
        self.call.pipeline.packet(user)
        self.rest()
        if str(user) in self.call.states():
            crash(self.call, capture_address(UserId(user)))
        self.rest()

    @rule()
    def reset(self):
        self.new_join()
        self.call.voice_server()
        self.call.voice_state(channel=OWN_CHANNELS + self.joins)


class FailingStreams(Faults, Publishing, Streams, Pictures, Connected):
    """Failures while pictures are seen and shown."""


class Everything(
    Faults, Publishing, Streams, Pictures, Music, Listening, Speech, Group, Handshake, Commands, CallMachine
):
    """The whole system."""

    def prepare(self, version):
        self.connect(version)


SUITES = {
    MusicOrders: 60,
    PicturesSeen: 60,
    OwnStream: 80,
    StreamGroups: 80,
    FailingConnection: 100,
    FailingSound: 80,
    FailingCaptures: 100,
    FailingStreams: 80,
    Everything: 100,
}
"""Examples of each."""


@pytest.mark.timeout(0 if NIGHTLY else 600)
@pytest.mark.parametrize(("suite", "examples"), SUITES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_every_order_of_everything_keeps_the_promises(suite, examples):
    run_suite(suite, examples)
