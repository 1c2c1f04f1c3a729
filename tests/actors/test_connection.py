"""What every connection role does with orders; each role's own rules are in test_voice and test_stream."""

import pytest

from clankvox.actors.connection import RESET_DEADLINE_S
from clankvox.ids import Role
from clankvox.messages.connection import SocketLost, TransitionPrepared, TransitionSettled
from clankvox.wire.rtp import SILENCE_FRAME
from tests.actors.test_stream import ready
from tests.support.factory import Call, short


def test_every_order_settles_so_that_the_next_command_is_served():
    call = Call()
    call.line(type="voice_state", data={"session_id": "s"})
    call.line(type="leave")
    call.line(type="stream_watch_disconnect")
    call.drain()
    assert call.state("router") == "serving"
    assert call.released == 3


def test_orders_that_come_while_the_baton_goes_round_wait_and_keep_their_order():
    call = ready("stream_watch")
    call.events()
    connection = call.roles[Role.STREAM_WATCH].connection
    connection._reset("first", connection._settle)
    call.line(type="stream_watch_disconnect", reason="second")
    call.drain()
    assert short(call.events())[-1] == "transport_state stream_watch disconnected second"


def test_a_baton_that_does_not_come_back_holds_nothing_up_for_long():
    call = ready("stream_watch")
    call.events()
    connection, went_on = call.roles[Role.STREAM_WATCH].connection, []
    connection.report = lambda message: None  # the baton gets lost
    connection._reset("lost", lambda: went_on.append(True))
    call.run(RESET_DEADLINE_S + 0.1)
    assert went_on == [True]


@pytest.mark.parametrize(
    "order", [{"type": "leave"}, {"type": "destroy"}, {"type": "join", "guildId": "1", "channelId": "2"}]
)
def test_what_is_said_ends_in_silence_before_the_sockets_are_closed(order):
    call = Call().establish()
    call.audio(ms=500)
    call.finish()
    call.run(0.2)
    call.left()
    close, left_before = call.web_socket.close, []
    call.web_socket.close = lambda code: (left_before.extend(call.left()), close(code))[1]
    call.line(**order)
    call.drain()
    assert left_before == [SILENCE_FRAME] * 5
    assert call.left() == []
    assert (call.web_socket.closed_with, call.udp.attempt) == ([1000], None)


def test_nothing_is_heard_of_a_session_that_ends_while_its_sockets_are_still_there():
    call = Call().establish()
    attempt = call.web_socket.attempt
    call.connection.report = lambda message: None  # the baton gets lost
    call.connection._reset("lost", lambda: None)
    assert call.web_socket.attempt == attempt
    assert call.pipeline.sealer is None
    call.told(SocketLost(attempt=attempt, close_code=4006, reason="late"), to=call.connection)
    assert call.state("connection") == "ready"
    call.run(RESET_DEADLINE_S + 0.1)
    assert (call.web_socket.attempt, call.web_socket.closed_with) == (None, [1000])


def test_a_transition_shows_in_the_machine_until_it_is_settled():
    call = ready("stream_watch")
    actor = call.roles[Role.STREAM_WATCH].connection
    attempt = call.roles[Role.STREAM_WATCH].web_socket.attempt
    call.told(TransitionPrepared(attempt=attempt), actor)
    assert call.state("stream_watch connection") == "dave_transition"
    call.told(TransitionSettled(attempt=attempt + 5), actor)
    assert call.state("stream_watch connection") == "dave_transition"
    call.told(TransitionSettled(attempt=attempt), actor)
    assert call.state("stream_watch connection") == "ready"


@pytest.mark.parametrize("news", [TransitionPrepared, TransitionSettled])
def test_news_of_a_transition_that_do_not_fit_change_nothing(news):
    call = Call()
    call.told(news(attempt=0), call.connection)
    assert call.state("connection") == "idle"


def test_a_heir_begins_with_closed_sockets():
    call = ready("stream_watch")
    call.roles[Role.STREAM_WATCH].connection.on_start()
    assert call.roles[Role.STREAM_WATCH].udp.attempt is None
