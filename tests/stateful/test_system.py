"""The whole system with faults: actors fail at any moment, in any order with all else, and the promises hold.

One suite for each actor that test_call does not have, one for each that fails, and one for everything at once.
"""

import pytest
from hypothesis.stateful import precondition, rule

from clankvox.fsm.publish import PublishState
from clankvox.ids import PUBLISH, Role, UserId, capture_address
from tests.support.call_machine import CallMachine, run_suite
from tests.support.call_rules import USERS, Commands, Faults, Group, Handshake, Listening, Speech
from tests.support.crash import crash
from tests.support.media_rules import Music, Pictures, Publishing, Streams
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
        assert looked_at == ({UserId(user) for user in wanted} if video._state != "unlinked" else set())

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
        assert (worker.request is not None) == (state is not PublishState.IDLE)
        assert (worker.attempt is not None) == (self.call.actor(PUBLISH)._path is not None)
        if state in (PublishState.PLAYING, PublishState.PAUSED):
            assert worker.attempt is not None


class FailingConnection(Faults, Commands, Handshake, Group, CallMachine):
    """Failures while a call is made, moved and lost."""

    def prepare(self, version):
        self.connect(version)


class FailingSound(Faults, Speech, Music, Connected):
    """Failures under speech and music."""


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
    FailingConnection: 100,
    FailingSound: 80,
    FailingCaptures: 100,
    FailingStreams: 80,
    Everything: 100,
}
"""Examples of each."""


@pytest.mark.parametrize(("suite", "examples"), SUITES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_every_order_of_everything_keeps_the_promises(suite, examples):
    run_suite(suite, examples)
