"""Any order of anything: hypothesis plays parent, server, members and scheduler, and the promises hold.

One suite for each actor of a voice call, same promises (tests/support/call_machine.py): Connection is the voice
actor's, DaveChurn the DAVE actor's, Tts the playback actor's, Capture that of captures, RouterCommands the router's.
Resumed and Deaf are the connection actor's again, with sound under way. Music, pictures, streams and actors that fail
are in test_system, packets in test_packets, the order of commands in test_orders.
"""

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import precondition, rule

from tests.support.call_machine import NIGHTLY, CallMachine, run_suite
from tests.support.call_rules import (
    USERS,
    Commands,
    Deafness,
    Group,
    Handshake,
    LateNews,
    Listening,
    Resumes,
    Speech,
)
from tests.support.watchers import OWN_CHANNELS


class Connection(Commands, Handshake, Resumes, LateNews, CallMachine):
    """Joins, leaves, moves and losses."""

    @precondition(lambda self: not self.is_open)
    @rule(version=st.integers(0, 1))
    def whole_connection(self, version):
        self.connect(version)

    @precondition(lambda self: self.is_open)
    @rule()
    def a_transition_is_announced(self):
        self.server.welcome(1)


class DaveChurn(Group, LateNews, CallMachine):
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

    @rule(change=st.sampled_from(["key", "slot"]))
    def the_key_changes_in_speech(self, change):
        self.call.udp.broken = False
        self.call.line(type="stop_tts_playback")
        self.group()
        self.what_is_said_is_said_as_a_whole(400, change)

    @rule()
    def speech_in_a_group(self):
        self.group()
        self.call.audio(None, 400)
        self.time_passes(0.3)


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


class Resumed(Resumes, Speech, Listening, Group, CallMachine):
    """Sockets that are lost and made good, while others and we speak and the group changes."""

    def prepare(self, version):
        self.connect(version)
        if version:
            self.server.members(42)
            self.server.welcome(0)
            self.call.drain()

    @precondition(lambda self: not self.is_open)
    @rule()
    def whole_connection(self):
        self.connect(1)


class Deaf(Deafness, Group, CallMachine):
    """Members who speak and are not heard, in a group that may be the reason."""

    def prepare(self, version):
        self.connect(1)
        self.server.members(42)
        self.server.welcome(version)
        self.call.drain()

    @precondition(lambda self: not self.is_open)
    @rule()
    def whole_connection(self):
        self.connect(1)


class RouterCommands(Commands, Handshake, Speech, Listening, Group, LateNews, CallMachine):
    """Everything at once."""


SUITES = {Connection: 300, DaveChurn: 250, Tts: 150, Capture: 300, RouterCommands: 150, Resumed: 100, Deaf: 60}
"""Examples of each."""


@pytest.mark.timeout(0 if NIGHTLY else 600)
@pytest.mark.parametrize(
    ("suite", "examples"), SUITES.items(), ids=lambda value: getattr(value, "__name__", str(value))
)
def test_every_order_of_everything_keeps_the_promises(suite, examples):
    run_suite(suite, examples)
