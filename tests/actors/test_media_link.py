"""UDP beside the WebSocket: it is renewed where it is, and the watchdog does something about not being heard."""

import pytest

from clankvox.actors.media_link import KEEPALIVE_S
from clankvox.ids import Role
from clankvox.media.hearing import Hearing
from clankvox.media.speaker import HELD_S
from clankvox.messages.connection import PongReceived
from clankvox.protocol.heartbeat import DOUBT_S
from clankvox.protocol.watchdog import LOOK_S
from clankvox.wire.gateway_ops import Op
from clankvox.wire.ip_discovery import parse_ping
from tests.actors.test_stream import ready
from tests.support.factory import Call, short

SPOKEN = 250
"""Frames of one speaker in one keepalive period."""


class Listener:
    """A call and what can be heard in it, one keepalive period after the other."""

    def __init__(self, call=None, role=Role.VOICE):
        self.call = call or Call().establish(42)
        self.role = self.call.roles[role]
        self.pongs = self.finds = True
        self.period()
        self.call.events()

    def period(self, opened=0, unopened=0):
        """Let one keepalive period pass in which so many frames came; return the steps that were taken."""
        for _ in range(round(KEEPALIVE_S / LOOK_S)):
            self.hears(opened // 5, unopened // 5)
        return [event for event in short(self.call.events()) if event.startswith("recovery")]

    def hears(self, opened, unopened=0):
        """Let so many frames come, and LOOK_S pass."""
        heard = self.role.pipeline.heard
        self.role.pipeline.heard = Hearing(heard.opened + opened, heard.unopened + unopened)
        self.call.run(LOOK_S)
        self.answer()

    def answer(self):
        """Let the server answer what it was asked, as far as it does."""
        self.role.server.acknowledge()
        if self.pongs:
            self.pong()
        if self.finds and self.role.connection._discovery is not None:
            self.role.server.discovered()
        if self.role.connection._resumption is not None:
            self.role.server.resumed()
        self.call.drain()

    def deaf(self):
        return self.period(unopened=SPOKEN)

    def pong(self, behind=0):
        counters = [parse_ping(datagram) for datagram in self.role.udp.sent if len(datagram) == 8]
        if self.role.udp.attempt is not None:
            self.call.told(
                PongReceived(attempt=self.role.udp.attempt, counter=counters[-1] - behind), self.role.connection
            )

    def member_speaks(self):
        self.role.server.text(Op.SPEAKING, {"user_id": "42", "ssrc": 4242, "speaking": 1})
        self.call.drain()

    def pings(self):
        return sum(len(datagram) == 8 for datagram in self.role.udp.sent)

    def beats(self):
        return [op for op, _ in self.role.server.json_sent()].count(Op.HEARTBEAT)

    def requests(self):
        return sum(len(datagram) == 74 for datagram in self.role.udp.sent)


def test_nobody_who_is_heard_and_no_silence_wakes_the_watchdog():
    listener = Listener()
    listener.member_speaks()
    assert [listener.period(opened=opened) for opened in (0, 250, 0, 0, 250)] == [[]] * 5


def test_ciphertext_that_never_opens_is_answered_step_by_step():
    listener = Listener()
    assert listener.deaf() == ["recovery voice udp frames_undecryptable"]
    assert listener.requests() == 2
    assert listener.deaf() == ["recovery voice dave frames_undecryptable"]
    assert Op.INVALID_COMMIT_WELCOME not in listener.role.server.new_ops(), "the last transition is older than 10 s"
    assert listener.deaf() == ["recovery voice resume frames_undecryptable"]
    assert listener.deaf() == ["recovery voice rejoin frames_undecryptable"]
    assert listener.call.state("connection") == "connecting"
    listener.role.server.handshake(0)
    assert [listener.deaf() for _ in range(8)] == [[]] * 8
    assert listener.call.state("connection") == "ready"


def test_the_steps_show_their_reasons_where_the_transport_changes():
    listener = Listener()
    for _ in range(2):
        listener.deaf()
    told = []
    while not told:
        heard = listener.role.pipeline.heard
        listener.role.pipeline.heard = Hearing(heard.opened, heard.unopened + SPOKEN // 5)
        listener.call.run(LOOK_S)
        told = [event for event in listener.call.events() if event["type"] != "dave_state"]
    assert told[0] == {
        "type": "recovery", "role": "voice", "connectionId": "c1", "step": "resume", "reason": "frames_undecryptable"
    }  # fmt: skip
    assert short(told[1:]) == [
        "connection_state reconnecting",
        "transport_state voice reconnecting frames_undecryptable",
    ]


def test_the_first_step_comes_within_five_seconds_of_the_last_word():
    listener, spent_s = Listener(), 0.0
    listener.period(opened=SPOKEN)
    while True:
        spent_s += LOOK_S
        heard = listener.role.pipeline.heard
        given_up = SPOKEN // 5 if spent_s > HELD_S else 0
        listener.role.pipeline.heard = Hearing(heard.opened, heard.unopened + given_up)
        listener.call.run(LOOK_S)
        listener.answer()
        if [event for event in short(listener.call.events()) if event.startswith("recovery")]:
            break
    assert spent_s <= 5.0


@pytest.mark.parametrize("looks", range(5))
def test_a_nat_that_forgets_us_in_mid_speech_is_found_out_within_five_seconds_wherever_the_keepalives_are(looks):
    listener, spent_s = Listener(), 0.0
    for _ in range(5 + looks):
        listener.hears(SPOKEN // 5)
    listener.pongs = listener.finds = False
    while not [event for event in short(listener.call.events()) if event.startswith("recovery")]:
        spent_s += LOOK_S
        listener.hears(0)
    assert spent_s <= 5.0


def test_who_pauses_is_worth_one_keepalive_if_it_is_answered():
    listener = Listener()
    listener.period(opened=SPOKEN)
    pings = listener.pings()
    listener.period()
    listener.period()
    assert listener.pings() - pings <= 1 + 2


def test_the_group_is_asked_for_anew_if_the_last_change_is_young():
    listener = Listener()
    listener.role.server.commit(3)
    listener.call.drain()
    listener.deaf()
    listener.role.server.new_ops()
    assert listener.deaf() == ["recovery voice dave frames_undecryptable"]
    assert listener.role.server.new_ops() == [Op.INVALID_COMMIT_WELCOME, Op.MLS_KEY_PACKAGE]


def test_what_helped_ends_it():
    listener = Listener()
    listener.deaf()
    assert listener.period(opened=5) == []
    assert listener.deaf() == ["recovery voice udp frames_undecryptable"]


def test_a_nat_that_forgot_us_is_found_out_by_unanswered_keepalives_and_asked_for_a_new_address():
    listener = Listener()
    listener.member_speaks()
    kept = listener.role.pipeline.sealer
    listener.pongs = listener.finds = False
    steps = [step for _ in range(2) for step in listener.period()]
    assert steps == ["recovery voice udp keepalives_unanswered"]
    listener.pongs = listener.finds = True
    assert [listener.period() for _ in range(3)] == [[]] * 3
    assert (listener.call.state("connection"), listener.role.pipeline.sealer) == ("ready", kept)
    assert listener.role.server.new_ops().count(Op.SELECT_PROTOCOL) <= 1


def test_a_keepalive_without_an_answer_is_repeated_every_second_and_one_with_an_answer_every_five():
    listener = Listener()
    pings = listener.pings()
    listener.period()
    assert listener.pings() == pings + 1
    listener.pongs = listener.finds = False
    listener.period()
    listener.period()
    assert listener.pings() >= pings + 1 + 5


def test_a_media_server_that_stays_silent_is_left_in_the_end():
    listener = Listener()
    listener.member_speaks()
    listener.pongs = listener.finds = False
    steps = []
    for _ in range(7):
        steps += listener.period()
    assert steps == [f"recovery voice {step} keepalives_unanswered" for step in ("udp", "resume", "rejoin")]


def test_our_own_speech_that_goes_nowhere_is_noticed_too():
    listener = Listener()
    listener.pongs = listener.finds = False
    steps = []
    for _ in range(4):
        listener.call.audio("p1", ms=6_000)
        steps += listener.period()
    assert steps[:2] == ["recovery voice udp keepalives_unanswered", "recovery voice resume keepalives_unanswered"]


def test_unanswered_keepalives_in_silence_are_worth_a_new_socket_and_no_more():
    listener = Listener()
    listener.pongs = listener.finds = False
    assert [step for _ in range(6) for step in listener.period()] == ["recovery voice udp keepalives_unanswered"]
    listener.pongs = listener.finds = True
    listener.period()
    listener.pongs = False
    assert [step for _ in range(2) for step in listener.period()][:1] == ["recovery voice udp keepalives_unanswered"]


def test_a_stream_of_ours_that_goes_nowhere_gets_a_new_socket():
    listener = Listener(ready("stream_publish", 1), Role.STREAM_PUBLISH)
    listener.pongs = listener.finds = False
    assert [step for _ in range(6) for step in listener.period()] == [
        "recovery stream_publish udp keepalives_unanswered"
    ]


def test_a_server_that_never_answers_keepalives_is_left_in_peace():
    call = Call().establish(42)
    listener = Listener.__new__(Listener)
    listener.call, listener.role, listener.pongs, listener.finds = call, call.roles[Role.VOICE], False, True
    listener.member_speaks()
    assert [listener.period() for _ in range(6)] == [[]] * 6


def test_an_answer_that_comes_late_is_an_answer():
    listener = Listener()
    listener.member_speaks()
    listener.pongs = False
    for _ in range(20):
        listener.call.run(LOOK_S)
        listener.role.server.acknowledge()
        listener.pong(behind=1)
        listener.call.drain()
    assert not [event for event in short(listener.call.events()) if event.startswith("recovery")]


def test_a_lost_udp_socket_is_replaced_under_the_session():
    listener = Listener()
    attempt, kept = listener.role.udp.attempt, listener.role.pipeline.sealer
    listener.role.server.udp_lost()
    listener.call.drain()
    assert short(listener.call.events()) == ["recovery voice udp udp_error"]
    listener.role.server.discovered()
    assert (listener.role.udp.attempt, listener.role.pipeline.sealer) == (attempt, kept)
    assert listener.call.state("connection") == "ready"


@pytest.mark.parametrize("answers", [True, False])
def test_where_a_new_udp_socket_had_to_be_found_the_server_is_asked_whether_the_other_one_still_reaches_it(answers):
    listener = Listener()
    server, beats = listener.role.server, listener.beats()
    server.udp_lost()
    listener.call.drain()
    assert listener.beats() == beats
    server.discovered()
    listener.call.drain()
    assert listener.beats() == beats + 1
    if answers:
        server.acknowledge()
    listener.call.run(DOUBT_S + 0.1)
    assert listener.call.state("connection") == ("ready" if answers else "reconnecting")
    if not answers:
        server.resumed()
        assert listener.call.state("connection") == "ready"


def test_a_udp_socket_that_is_lost_again_and_again_is_a_lost_link():
    listener = Listener()
    for _ in range(3):
        listener.role.server.udp_lost()
        listener.call.drain()
    told = short(listener.call.events())
    assert told[2:4] == ["connection_state reconnecting", "transport_state voice reconnecting udp_error"]
    assert listener.role.web_socket.closed_with == [1000]


def test_a_udp_socket_that_is_lost_before_the_session_is_a_lost_link():
    call = Call()
    call.join()
    call.voice_server()
    call.voice_state()
    call.drain()
    call.server.before_session()
    call.events()
    call.server.udp_lost()
    call.drain()
    assert short(call.events())[:2] == ["connection_state reconnecting", "transport_state voice reconnecting udp_error"]


def test_a_stream_that_is_watched_is_never_joined_anew_by_itself():
    listener = Listener(ready("stream_watch", 1), Role.STREAM_WATCH)
    steps = []
    for _ in range(6):
        steps += listener.deaf()
    assert [step.split()[2] for step in steps] == ["udp", "dave", "resume"]
    assert listener.call.state("stream_watch connection") == "ready"


@pytest.mark.parametrize("helped", ["resume", "renewal"])
def test_nothing_more_is_done_while_a_step_is_under_way(helped):
    listener = Listener()
    if helped == "resume":
        listener.role.server.reset()
    else:
        listener.role.server.udp_lost()
    listener.call.drain()
    heard = listener.role.pipeline.heard
    listener.role.pipeline.heard = Hearing(heard.opened, heard.unopened + SPOKEN)
    listener.call.events()
    listener.call.run(2.0)
    assert not [event for event in short(listener.call.events()) if event.startswith("recovery")]


def test_a_new_join_watches_afresh():
    listener = Listener()
    for _ in range(3):
        listener.deaf()
    listener.call.connect("c2")
    listener.period()
    assert listener.deaf()[0].startswith("recovery voice udp")
