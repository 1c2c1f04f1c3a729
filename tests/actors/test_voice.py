"""The voice connection as the parent sees it: joins, leaves, moves, losses; every event in its order."""

from itertools import pairwise

import pytest

from clankvox.actors.voice import ANSWER_WAIT_S
from tests.support.factory import CHANNEL, GUILD, Call, short

OP4 = "adapter_send"
LEFT = ["connection_state disconnected", "transport_state voice disconnected {}"]


def op4(channel, *, guild=GUILD, mute=False):
    channel_id = None if channel is None else str(channel)
    update = {"guild_id": str(guild), "channel_id": channel_id, "self_mute": mute, "self_deaf": False}
    return {"type": "adapter_send", "payload": {"op": 4, "d": update}}


def reconnecting(reason):
    return ["connection_state reconnecting", f"transport_state voice reconnecting {reason}"]


def disconnected(reason):
    return [line.format(reason) for line in LEFT]


# --- join, credentials, ready ---


def test_join_asks_the_parents_gateway_once_and_says_nothing_else():
    call = Call()
    call.line(type="join", connectionId="c1", guildId="10", channelId="20", selfMute=True)
    call.run(1.0)
    assert call.events() == [op4(20, mute=True)]


@pytest.mark.parametrize("order", [("voice_server", "voice_state"), ("voice_state", "voice_server")])
def test_whichever_update_completes_the_credentials_opens_the_socket(order):
    call = Call()
    call.join()
    getattr(call, order[0])()
    call.drain()
    assert call.web_socket.urls == []
    getattr(call, order[1])()
    call.drain()
    assert call.web_socket.urls == ["wss://voice.example.com:443/?v=9"]


def test_the_ready_sequence_with_an_id():
    call = Call()
    call.join()
    call.voice_server()
    call.voice_state()
    call.drain()
    call.events()
    call.server.handshake(1)
    assert call.events() == [
        {"type": "connection_state", "status": "ready", "connectionId": "c1"},
        {"type": "transport_state", "role": "voice", "connectionId": "c1", "status": "ready"},
        {"type": "ready", "connectionId": "c1"},
        {"type": "playback_armed", "reason": "connection_ready"},
        {
            "type": "dave_state",
            "role": "voice",
            "connectionId": "c1",
            "status": "negotiating",
            "protocolVersion": 1,
        },
    ]


def test_the_ready_sequence_without_an_id():
    call = Call()
    call.join(None)
    call.voice_server()
    call.voice_state()
    call.drain()
    call.events()
    call.server.handshake(0)
    assert call.events() == [
        {"type": "connection_state", "status": "ready"},
        {"type": "transport_state", "role": "voice", "status": "ready"},
        {"type": "ready"},
        {"type": "playback_armed", "reason": "connection_ready"},
        {"type": "dave_state", "role": "voice", "status": "disabled", "protocolVersion": 0},
    ]


def test_speaking_is_announced_as_silent_once_the_session_stands():
    call = Call().connect()
    assert (5, {"speaking": 0, "delay": 0, "ssrc": 1000}) in call.server.json_sent()


def test_updates_about_another_guild_change_nothing():
    call = Call()
    call.join()
    call.voice_state()
    call.voice_server(guild_id="999")
    call.line(type="voice_state", data={"guild_id": "999", "channel_id": None})
    call.drain()
    assert call.web_socket.urls == []
    assert call.state("connection") == "awaiting_credentials"


def test_a_private_call_without_a_guild_in_its_updates_connects():
    call = Call()
    call.join(None)
    call.voice_server(guild_id=None)
    call.line(
        type="voice_state",
        data={"guild_id": None, "session_id": "s", "user_id": "7", "channel_id": str(CHANNEL)},
    )
    call.drain()
    assert len(call.web_socket.urls) == 1


def test_credentials_that_came_before_the_join_are_tried_after_three_seconds():
    call = Call()
    call.voice_server()
    call.voice_state()
    call.join()
    call.run(2.9)
    assert call.web_socket.urls == []
    call.run(0.2)
    assert len(call.web_socket.urls) == 1


def test_an_endpoint_that_is_not_allowed_ends_the_join():
    call = Call()
    call.join()
    call.voice_server(endpoint="ws://voice.example.com")
    call.voice_state()
    call.drain()
    events = call.events()
    assert short(events[1:]) == [
        "error voice_connect_failed voice",
        *disconnected("endpoint_not_allowed"),
        "dave_state voice cleared",
    ]
    assert events[1]["connectionId"] == "c1"
    assert call.web_socket.urls == []
    call.run(60.0)
    assert call.events() == []


# --- leave ---


def test_leave_with_an_id_ends_everything_in_order():
    call = Call().establish(42)
    call.line(type="subscribe_user", userId="42", captureId="k1")
    call.audio("p1")
    call.drain()
    call.pipeline.packet(42)
    call.run(0.05)
    call.events()
    call.line(type="leave", reason="bye")
    call.drain()
    events = call.events()
    assert events[0] == op4(None)
    assert short(events[1:]) == [
        "tts_playback_state p1 stopped bye",
        "dave_state voice cleared",
        "speaking_end 42",
        *disconnected("bye"),
        "user_audio_end 42 k1",  # the audio lane's own order: behind its PCM, and after control
    ]
    assert events[-3]["connectionId"] == "c1"
    assert call.web_socket.closed_with == [1000]
    assert call.udp.attempt is None


def test_leave_without_an_id_omits_ids():
    call = Call().connect(None)
    call.line(type="leave")
    call.drain()
    assert call.events() == [
        op4(None),
        {"type": "dave_state", "role": "voice", "status": "cleared"},
        {"type": "connection_state", "status": "disconnected"},
        {"type": "transport_state", "role": "voice", "status": "disconnected", "reason": "explicit_leave"},
    ]


def test_leave_without_a_join_says_nothing():
    call = Call()
    call.line(type="leave")
    call.drain()
    assert call.events() == []


def test_nothing_is_tried_after_a_leave():
    call = Call().connect()
    call.line(type="leave")
    call.voice_server(token="new")
    call.voice_state("new")
    call.run(60.0)
    assert len(call.web_socket.urls) == 1


def test_leave_before_destroy_still_sends_op_4():
    call = Call().connect()
    call.line(type="leave")
    call.line(type="destroy")
    call.drain()
    assert call.events()[0] == op4(None)
    assert call.exit_codes == [0]


def test_leave_after_a_terminal_loss_still_tells_the_gateway_and_no_more():
    call = Call().connect()
    call.server.lost(4017)
    call.drain()
    call.events()
    call.line(type="leave")
    call.drain()
    assert call.events() == [op4(None)]


def test_an_end_that_was_told_is_not_told_again_by_destroy():
    call = Call().connect("c1")
    call.server.lost(4017)
    call.drain()
    call.events()
    call.line(type="destroy")
    call.drain()
    assert call.events() == []


def test_a_null_channel_is_a_leave_without_op_4():
    call = Call().connect()
    call.line(type="voice_state", data={"channel_id": None})
    call.drain()
    assert short(call.events()) == ["dave_state voice cleared", *disconnected("gateway_voice_state_left")]


# --- join again ---


def test_a_new_join_ends_the_old_one_under_its_old_id_before_the_new_op_4():
    call = Call().establish(42)
    call.audio("p1")
    call.run(0.05)
    call.pipeline.packet(42)
    call.drain()
    call.events()
    call.join("c2", channel=21)
    call.drain()
    events = call.events()
    assert short(events[:-1]) == [
        "tts_playback_state p1 stopped join_replaced_primary_voice",
        "dave_state voice cleared",
        "speaking_end 42",
    ]
    assert events[1]["connectionId"] == "c1"
    assert events[-1] == op4(21)
    assert call.web_socket.attempt is None


def test_a_new_join_of_the_same_channel_uses_the_old_credentials_if_nothing_newer_comes():
    call = Call().connect()
    call.join("c2")
    call.run(3.1)
    assert len(call.web_socket.urls) == 2


def test_a_new_join_of_another_channel_never_uses_the_old_token():
    call = Call().connect()
    call.join("c2", channel=21)
    call.run(60.0)
    assert len(call.web_socket.urls) == 1


@pytest.mark.parametrize("ready", [False, True])
def test_news_of_a_replaced_socket_is_invisible(ready):
    call = Call()
    call.join()
    call.voice_server()
    call.voice_state()
    call.drain()
    if ready:
        call.server.handshake(1)
    old = call.server.attempt
    call.join("c2")
    call.voice_server(token="t2")
    call.voice_state("s2")
    call.drain()
    call.events()
    call.server.lost(4017, attempt=old)
    call.server.text(11, {"user_ids": ["42"]}, attempt=old)
    call.server.text(13, {"user_id": "42"}, attempt=old)
    call.server.binary(25, b"sender", attempt=old)
    call.drain()
    assert call.events() == []
    assert call.state("connection") == "connecting"


# --- the gateway moves us ---


def test_a_new_session_while_connected_is_a_reconnection():
    call = Call().establish()
    call.line(type="voice_state", data={"session_id": "other"})
    call.drain()
    assert short(call.events()) == [*reconnecting("session_id_changed"), "dave_state voice negotiating 1"]
    assert len(call.web_socket.urls) == 2
    call.server.handshake(1)
    assert short(call.events())[:2] == ["connection_state ready", "transport_state voice ready"]


def test_a_new_server_while_connected_is_a_reconnection():
    call = Call().connect()
    call.voice_server(endpoint="other.example.com")
    call.drain()
    assert short(call.events())[:2] == reconnecting("voice_server_changed")
    assert call.web_socket.urls[-1] == "wss://other.example.com/?v=9"


def test_the_same_server_again_changes_nothing():
    call = Call().connect()
    call.voice_server()
    call.voice_state()
    call.drain()
    assert call.events() == []
    assert len(call.web_socket.urls) == 1


def test_a_null_server_waits_for_the_next_one():
    call = Call().connect()
    call.voice_server(endpoint=None, token=None)
    call.run(14.0)
    assert short(call.events())[:2] == reconnecting("voice_server_cleared")
    call.voice_server(token="t2")
    call.drain()
    call.server.handshake(0)
    assert "ready" in short(call.events())


def test_a_null_server_that_stays_null_is_the_end_after_fifteen_seconds():
    call = Call().connect()
    call.voice_server(endpoint=None, token=None)
    call.drain()
    call.events()
    call.run(15.1)
    events = call.events()
    assert short(events) == [
        "error voice_runtime_error voice",
        *disconnected("no_voice_server"),
        "dave_state voice cleared",
    ]
    assert all(event["connectionId"] == "c1" for event in events)
    call.run(60.0)
    assert call.events() == []


def test_a_cleared_session_is_waited_out():
    call = Call().connect()
    call.line(type="voice_state", data={"session_id": None})
    call.drain()
    assert short(call.events())[:2] == reconnecting("voice_state_cleared")
    call.voice_state("s2")
    call.drain()
    assert len(call.web_socket.urls) == 2


def test_a_channel_move_waits_for_the_new_server():
    call = Call().connect()
    call.voice_state(channel=21)
    call.run(1.0)
    assert short(call.events())[:2] == reconnecting("voice_channel_changed")
    assert len(call.web_socket.urls) == 1
    call.voice_server(token="t2")
    call.drain()
    assert len(call.web_socket.urls) == 2
    call.server.handshake(1)
    assert (call.engine.group_id, call.engine.user_id) == (21, 7)


def test_a_channel_move_whose_server_came_first_connects_at_once():
    call = Call().connect()
    call.voice_server(token="t2")
    call.voice_state(channel=21)
    call.run(1.0)
    identifies = [d for op, d in call.server.json_sent() if op == 0]
    assert call.state("connection") == "connecting"
    call.server.handshake(1)
    identifies = [d for op, d in call.server.json_sent() if op == 0]
    assert (identifies[-1]["channel_id"], identifies[-1]["token"]) == ("21", "t2")


# --- losses ---


def test_a_lost_session_identifies_anew_with_one_op_4_and_a_back_off():
    call = Call().establish()
    call.server.lost()
    call.drain()
    events = call.events()
    assert short(events[:2]) == reconnecting("session_no_longer_valid")
    assert op4(CHANNEL) in events
    assert short(events).count(OP4) == 1
    assert len(call.web_socket.urls) == 1
    call.run(1.1)
    assert len(call.web_socket.urls) == 2
    call.server.handshake(1)
    assert short(call.events())[2:3] == ["ready"]


def test_three_heartbeats_without_an_answer_are_a_lost_socket_of_a_session_that_goes_on():
    call = Call().connect()
    call.run(60.0)
    assert short(call.events())[:2] == reconnecting("heartbeat_timeout")
    assert call.web_socket.closed_with[0] == 4900
    assert call.server.json_sent()[-1][0] != 0


def test_a_call_that_is_not_had_again_within_a_minute_is_over_whatever_its_tries_do():
    """Handshakes that time out use up too much time for the budget of attempts to end them."""
    call = Call().connect()
    call.server.lost(4006)
    call.drain()
    call.events()
    call.run(59.0)
    assert short(call.events()).count("connection_state disconnected") == 0
    call.run(1.1)
    told = short(call.events())
    assert told[:3] == ["error voice_runtime_error voice", *disconnected("reconnect_timeout")]
    tries = len(call.web_socket.urls)
    call.run(120.0)
    assert (call.events(), len(call.web_socket.urls)) == ([], tries)


def test_a_call_that_is_had_again_has_all_its_time_for_the_next_loss():
    call = Call().connect()
    for _ in range(3):
        call.server.lost(4006)
        call.run(1.1)
        call.run(12.0)
        call.server.handshake(0)
        call.server.acknowledge()
        call.run(15.0)
    assert call.state("connection") == "ready"
    assert "connection_state disconnected" not in short(call.events())


# --- resume ---


def resuming():
    """A call in which speech goes both ways, and whose WebSocket was lost."""
    call = Call().establish(42)
    call.audio("p1", ms=4_000)
    call.run(0.1)
    call.events()
    call.server.new_ops()
    call.server.lost(4015)
    call.drain()
    return call


def test_a_resume_shows_reconnecting_and_ready_and_nothing_else():
    call = resuming()
    assert short(call.events()) == reconnecting("server_crashed")
    call.server.resumed()
    assert call.events() == [
        {"type": "connection_state", "status": "ready", "connectionId": "c1"},
        {"type": "transport_state", "role": "voice", "connectionId": "c1", "status": "ready"},
    ]
    call.run(3.0)
    assert not {"ready", "playback_armed", OP4, "dave_state"} & {event["type"] for event in call.events()}


def test_what_is_told_only_while_voice_is_connected_is_told_during_a_resume():
    call = resuming()
    call.events()
    call.line(type="music_set_gain", target=0.5, fadeMs=20)
    call.run(0.2)
    assert "music_gain_reached" in {event["type"] for event in call.events()}
    call.run(6.0)
    assert "transport_stats" in {event["type"] for event in call.events(telemetry=True)}


def test_an_invalid_session_is_a_new_session_at_once():
    call = resuming()
    call.events()
    call.server.lost(4006)
    call.drain()
    told = call.events()
    assert short(told)[:2] == reconnecting("session_no_longer_valid")
    assert op4(CHANNEL) in told
    assert call.udp.attempt is None
    call.voice_server(token="t2")
    call.drain()
    call.server.handshake(1)
    assert "ready" in short(call.events())
    assert call.server.new_ops()[0] == 0


def test_a_terminal_close_in_answer_to_a_resume_is_the_end():
    call = resuming()
    call.events()
    call.server.lost(4017)
    call.drain()
    told = short(call.events())
    assert told[:3] == ["error voice_runtime_error voice", *disconnected("dave_required")]
    assert OP4 not in told


def test_three_resumes_in_vain_are_a_new_session_with_one_op_4():
    call = resuming()
    urls = 1
    for _ in range(3):
        call.run(2.1)
        urls += 1
        assert len(call.web_socket.urls) == urls
        assert OP4 not in short(call.events())
        call.server.reset()
        call.drain()
    assert short(call.events()).count(OP4) == 1
    assert call.udp.attempt is None


@pytest.mark.parametrize("far", [0, 1])
def test_a_server_that_does_not_answer_resumes_is_left_after_ten_seconds(far):
    call = resuming()
    call.events()
    if far:
        call.server.opened()
        call.server.hello()
    call.run(10.1)
    assert short(call.events()).count(OP4) == 1


def test_fresh_credentials_end_a_resume_and_are_used_at_once():
    call = resuming()
    call.events()
    call.voice_server(endpoint="other.example.com", token="t2")
    call.drain()
    told = short(call.events())
    assert told[:2] == reconnecting("voice_server_changed")
    assert OP4 not in told
    assert call.web_socket.urls[-1] == "wss://other.example.com/?v=9"
    call.server.handshake(1)
    assert "ready" in short(call.events())


def test_a_new_session_ends_a_resume_and_is_used_at_once():
    """Who waited for a server would give up the call: nobody has reason to announce it again."""
    call = resuming()
    call.events()
    urls = len(call.web_socket.urls)
    call.voice_state(session="other")
    call.drain()
    assert short(call.events())[:2] == reconnecting("session_id_changed")
    assert len(call.web_socket.urls) == urls + 1
    call.server.handshake(1)
    assert short(call.events())[:2] == ["connection_state ready", "transport_state voice ready"]


def test_credentials_that_are_the_same_disturb_no_resume():
    call = resuming()
    urls = len(call.web_socket.urls)
    call.voice_server()
    call.voice_state()
    call.drain()
    assert len(call.web_socket.urls) == urls
    call.server.resumed()
    assert call.state("connection") == "ready"


def test_a_move_to_another_channel_ends_a_resume():
    call = resuming()
    call.voice_state(channel=21)
    call.voice_server(token="t2")
    call.drain()
    call.server.handshake(1)
    assert call.state("connection") == "ready"
    assert call.engine.group_id == 21


@pytest.mark.parametrize(
    ("order", "state"), [("leave", "idle"), ("join", "awaiting_credentials"), ("destroy", "closed")]
)
def test_orders_are_carried_out_during_a_resume(order, state):
    call = resuming()
    call.join("c2", channel=21) if order == "join" else call.line(type=order)
    call.drain()
    assert call.state("connection") == state
    assert (call.state("dave"), call.cipher.group_ready, call.udp.attempt) == ("inactive", False, None)
    urls = len(call.web_socket.urls)
    call.run(30.0)
    assert len(call.web_socket.urls) == urls


def test_a_transition_that_was_pending_is_pending_behind_a_resume():
    call = in_transition()
    call.server.lost(4015)
    call.drain()
    assert call.state("connection") == "reconnecting"
    call.server.resumed()
    assert call.state("connection") == "dave_transition"
    call.server.execute_transition(3)
    call.drain()
    assert (call.state("connection"), call.state("dave")) == ("ready", "established")


def test_4006_asks_once_for_credentials_and_connects_the_moment_they_come():
    call = Call().connect()
    call.server.lost(4006)
    call.drain()
    events = short(call.events())
    assert events[:2] == reconnecting("session_no_longer_valid")
    assert events.count(OP4) == 1
    call.voice_state("s2")
    call.drain()
    assert len(call.web_socket.urls) == 1
    call.voice_server(token="t2")
    call.drain()
    assert len(call.web_socket.urls) == 2


def test_our_own_state_repeated_by_the_gateway_ends_no_back_off():
    call = Call().connect()
    call.server.lost(4006)
    call.voice_state()
    call.drain()
    assert len(call.web_socket.urls) == 1


def test_five_lost_sessions_in_a_minute_are_the_end():
    call = Call().connect()
    ends = 0
    for _ in range(6):
        call.server.lost(4006)
        call.run(0.01)
        ends += short(call.events()).count("connection_state disconnected")
        if ends:
            break
        call.voice_server(token="again")
        call.drain()
        call.server.handshake(0)
        call.events()
    assert ends == 1
    assert len(call.web_socket.urls) == 6
    call.run(120.0)
    assert call.events() == []


def test_back_off_grows_until_a_session_stands():
    call = Call().connect()
    waits = []
    for _ in range(4):
        call.server.lost()
        begun = call.clock.now()
        tries = len(call.web_socket.urls)
        while len(call.web_socket.urls) == tries:
            call.run(0.1)
        waits.append(call.clock.now() - begun)
    answers_s = [0.0, ANSWER_WAIT_S, ANSWER_WAIT_S, ANSWER_WAIT_S]
    longest_s = [2**n + answer_s for n, answer_s in enumerate(answers_s)]
    assert [0.5 * 2**n <= wait <= longest_s[n] + 0.2 for n, wait in enumerate(waits)] == [True] * 4


def test_a_gateway_that_answers_every_op_4_at_once_does_not_use_up_the_tries_at_a_server_that_is_away():
    call = Call().connect()
    asked_s = []
    call.server.lost(4006)
    begun = call.clock.now()
    while "connection_state disconnected" not in (told := short(call.events())):
        if OP4 in told:
            asked_s.append(call.clock.now() - begun)
            call.voice_server(token=f"t{len(asked_s)}")
            call.drain()
            call.server.lost(None)
        call.run(0.1)
    assert len(asked_s) == 5
    waits = [after - before for before, after in pairwise(asked_s)]
    assert [2.0**n <= wait <= 2 * 2.0**n + 0.3 for n, wait in enumerate(waits)] == [True] * 4


def test_unasked_credentials_end_a_later_back_off_as_well():
    call = Call().connect()
    call.server.lost(4006)
    call.voice_server(token="t1")
    call.drain()
    call.server.lost(None)
    call.run(0.2)
    call.voice_server(token="t2")
    call.drain()
    assert len(call.web_socket.urls) == 3


def test_4004_wants_one_set_of_fresh_credentials():
    call = Call().connect()
    call.server.lost(4004)
    call.run(14.0)
    assert short(call.events()).count(OP4) == 1
    assert len(call.web_socket.urls) == 1
    call.voice_server(token="t2")
    call.drain()
    call.server.lost(4004)
    call.drain()
    events = short(call.events())
    assert "error voice_runtime_error voice" in events
    assert OP4 not in events


def test_4016_tries_the_other_mode_once():
    call = Call()
    call.join()
    call.voice_server()
    call.voice_state()
    call.drain()
    call.server.before_session()
    refused = call.server.mode()
    call.server.lost(4016)
    call.run(1.1)
    call.server.before_session()
    assert call.server.mode() != refused
    call.server.lost(4016)
    call.drain()
    assert "connection_state disconnected" in short(call.events())


@pytest.mark.parametrize("code", [4012, 4017, 4021])
def test_a_terminal_close_ends_once_and_in_order(code):
    call = Call().establish(42)
    call.line(type="subscribe_user", userId="42", captureId="k1")
    call.audio("p1")
    call.drain()
    call.pipeline.packet(42)
    call.run(0.05)
    call.events()
    call.server.lost(code)
    call.drain()
    events = short(call.events())
    reason = events[2].split()[-1]
    assert events == [
        "error voice_runtime_error voice",
        *disconnected(reason),
        f"tts_playback_state p1 stopped {reason}",
        "dave_state voice cleared",
        "speaking_end 42",
        "user_audio_end 42 k1",
    ]
    call.run(60.0)
    assert call.events() == []


def test_a_terminal_close_before_ready_failed_to_connect():
    call = Call()
    call.join()
    call.voice_server()
    call.voice_state()
    call.drain()
    call.server.lost(4017)
    call.drain()
    assert "error voice_connect_failed voice" in short(call.events())


def test_4014_waits_for_a_move_without_op_4():
    call = Call().establish()
    call.server.lost(4014)
    call.run(4.0)
    events = short(call.events())
    assert events == [*reconnecting("disconnected"), "dave_state voice negotiating 1"]
    call.voice_state(channel=21)
    call.voice_server(token="t2")
    call.drain()
    call.server.handshake(1)
    assert "ready" in short(call.events())


def test_4014_without_a_move_is_the_end_after_five_seconds():
    call = Call().connect()
    call.server.lost(4014)
    call.drain()
    call.events()
    call.run(5.1)
    assert short(call.events()) == [
        "error voice_runtime_error voice",
        *disconnected("no_voice_server"),
        "dave_state voice cleared",
    ]


def test_a_move_that_is_announced_after_4014_has_all_its_time_for_its_server():
    call = Call().establish()
    call.server.lost(4014)
    call.run(4.9)
    call.voice_state(channel=21)
    call.run(14.9)
    assert "error voice_runtime_error voice" not in short(call.events())
    call.voice_server(token="t2")
    call.drain()
    call.server.handshake(1)
    assert "ready" in short(call.events())


def test_a_move_whose_server_never_comes_is_the_end():
    call = Call().establish()
    call.server.lost(4014)
    call.run(4.9)
    call.voice_state(channel=21)
    call.run(15.1)
    assert disconnected("no_voice_server")[1] in short(call.events())


def test_4014_and_a_null_channel_is_a_leave():
    call = Call().connect()
    call.server.lost(4014)
    call.line(type="voice_state", data={"channel_id": None})
    call.drain()
    assert "error voice_runtime_error voice" not in short(call.events())


def test_a_join_after_the_end_starts_anew():
    call = Call().connect()
    call.server.lost(4017)
    call.drain()
    call.events()
    call.connect("c2")
    assert call.state("connection") == "ready"


# --- the end of the process ---


@pytest.mark.parametrize("end", ["destroy", "end_of_input", "signal"])
@pytest.mark.parametrize("stage", ["idle", "waiting", "connecting", "ready", "reconnecting", "closed"])
def test_the_process_ends_from_every_state_without_op_4(stage, end):
    call = Call()
    if stage != "idle":
        call.join()
        call.drain()
    if stage not in ("idle", "waiting"):
        call.voice_server()
        call.voice_state()
        call.drain()
    if stage in ("ready", "reconnecting", "closed"):
        call.server.handshake(0)
    if stage in ("reconnecting", "closed"):
        call.server.lost(4017 if stage == "closed" else None)
        call.drain()
    call.events()
    call.line(type="destroy") if end == "destroy" else getattr(call, end)()
    call.drain()
    assert call.exit_codes == [0]
    assert OP4 not in short(call.events())
    assert call.web_socket.attempt is None
    call.run(1.0)
    assert call.exit_codes == [0]


# --- while a DAVE transition is announced ---


def in_transition():
    call = Call().establish(42)
    call.server.commit(3)
    call.drain()
    assert call.state("connection") == "dave_transition"
    call.events()
    return call


def test_a_connection_can_be_lost_in_a_transition():
    call = in_transition()
    call.server.lost()
    call.drain()
    assert short(call.events())[:2] == reconnecting("session_no_longer_valid")


def test_a_connection_can_end_in_a_transition():
    call = in_transition()
    call.server.lost(4017)
    call.drain()
    assert short(call.events())[1:3] == disconnected("dave_required") or call.state("connection") == "closed"


@pytest.mark.parametrize(
    ("order", "state"), [("leave", "idle"), ("join", "awaiting_credentials"), ("destroy", "closed")]
)
def test_orders_are_carried_out_in_a_transition(order, state):
    call = in_transition()
    call.join("c2", channel=21) if order == "join" else call.line(type=order)
    call.drain()
    assert call.state("connection") == state
    assert (call.state("dave"), call.cipher.group_ready) == ("inactive", False)
