"""The router: commands in order, one way out, and what becomes of a call whose actor fails."""

import json

import pytest

from clankvox.fsm.connection import ConnectionState
from clankvox.ids import MUSIC, PLAYBACK, Role, Ssrc, UserId, connection_address, dave_address
from clankvox.ledger import Fate, StreamLedger
from clankvox.media.receive import StreamReport
from clankvox.messages.common import ActorFailed, Envelope, Inspect
from clankvox.messages.connection import SocketOpened
from clankvox.messages.playback import BufferPoll
from clankvox.messages.router import InspectionRequested, Settled
from clankvox.outbox import CONTROL_EVENTS
from tests.support.crash import FAILS_ON, arm
from tests.support.factory import Call, short
from tests.support.fake_server import KEY

# --- commands ---


def test_log_records_are_mirrored_in_a_call_without_an_id_and_never_before_a_call():
    call = Call()
    call.line(type="stop_playback")
    call.drain()
    assert call.mirrored == []
    call.line(type="join", guildId="10", channelId="20")
    call.line(type="join", guildId="10", channelId="20", connectionId="c1")
    call.drain()
    assert call.mirrored == [True, False]


def test_every_line_gives_its_credit_back():
    call = Call()
    call.line(type="join", guildId="10", channelId="20")
    call.line(type="nonsense")
    call.line(type="stop_playback")
    call.line(type="audio", pcmBase64="")
    call.drain()
    assert call.released == 4


def test_a_bad_line_is_answered_and_the_next_one_works():
    call = Call()
    call.line(type="nonsense")
    call.line(type="join", guildId="x", channelId="20")
    call.line(type="stop_playback")
    call.drain()
    assert short(call.events()) == ["error invalid_json", "error invalid_request", "player_state idle"]


def test_commands_behind_a_connection_command_wait_until_it_has_taken_effect():
    call = Call().connect()
    call.audio("p1", 100)
    call.line(type="leave")
    call.audio("p2", 100)
    call.drain()
    lines = short(call.events())
    left = lines.index("transport_state voice disconnected explicit_leave")
    assert lines.index("tts_playback_state p1 stopped explicit_leave") < left
    assert lines.index("tts_playback_state p2 failed voice_transport_not_ready") > left


def test_a_connection_that_never_settles_holds_commands_for_two_seconds_only():
    call = Call()
    call.pump.actors.remove(call.connection)  # it hangs
    call.join()
    call.line(type="stop_playback")
    call.drain()
    assert (call.state("router"), call.events()) == ("settling", [])
    call.run(2.1)
    assert (call.state("router"), short(call.events())) == ("serving", ["player_state idle"])


def test_news_of_a_command_that_has_settled_changes_nothing():
    call = Call()
    call.told(Settled(), call.router)
    assert call.state("router") == "serving"


# --- the post office ---


def test_the_router_describes_itself():
    call = Call()
    assert call.router.handle(Inspect()) == {"state": "serving", "waiting": 0, "unsettled": 0}


def inspected(call):
    (told,) = [event for event in call.events() if event["type"] == "inspect"]
    return told, {(actor["kind"], actor["role"]): actor for actor in told["actors"]}


def test_inspect_shows_every_actor():
    call = Call().establish(42)
    call.line(type="subscribe_user", userId="42")
    call.line(type="inspect")
    call.drain()
    told, actors = inspected(call)
    assert actors["connection", "voice"]["state"] == "ready"
    dave = actors["dave", "voice"]
    assert (dave["state"], dave["details"]["gate"], dave["details"]["epoch"]) == ("established", "encrypt", 1)
    assert dave["details"]["members"] == ["7"]
    assert set(actors) == {
        *[(kind, "voice") for kind in ("router", "connection", "dave", "playback", "music", "capture", "video")]
    }
    assert (told["silent"], told["queues"]) == ([], {})


def test_inspect_waits_for_no_command_that_settles_and_no_command_overtakes_another():
    call = Call().connect()
    call.line(type="leave")
    call.pump.actors.remove(call.playback)  # the reset hangs there
    call.line(type="stop_playback")
    call.line(type="inspect")
    call.run(0.11)
    told, actors = inspected(call)
    assert told["silent"] == ["voice playback"]
    assert (actors["router", "voice"]["state"], actors["router", "voice"]["details"]["waiting"]) == ("settling", 1)
    assert call.released == 5  # join, its credentials, leave, and the question: not what waits


def test_inspect_is_answered_among_the_endings_of_a_process_that_stops():
    call = Call().connect()
    call.line(type="destroy")
    call.line(type="inspect")
    call.drain()
    _, actors = inspected(call)
    assert actors["router", "voice"]["state"] in ("stopping", "ended")


def test_who_does_not_answer_is_named_after_100_ms():
    call = Call().connect()
    call.pump.actors.remove(call.dave)
    call.line(type="inspect")
    call.run(0.09)
    assert "inspect" not in [event["type"] for event in call.events()]
    call.run(0.02)
    (told,) = [event for event in call.events() if event["type"] == "inspect"]
    assert told["silent"] == ["voice dave"]


def test_a_signal_shows_the_same_on_stderr_and_tells_the_parent_nothing():
    call = Call().connect()
    call.told(InspectionRequested(), call.router)
    (shown,) = call.shown
    assert json.loads(shown)["type"] == "inspect"
    assert call.events() == []


def test_a_description_holds_nothing_secret():
    call = Call().establish(42)
    call.line(type="music_play", musicId="m1", url="https://example.com/a?sig=hunter2", resolvedDirectUrl=True)
    call.line(type="inspect")
    call.drain()
    (told,) = [event for event in call.events() if event["type"] == "inspect"]
    for secret in ("hunter2", "tok", "sess", "voice.example.com", KEY.hex()):
        assert secret not in json.dumps(told)


def test_an_event_too_large_for_a_frame_is_not_sent_and_does_no_harm():
    call = Call().connect("c" * 5_000_000)
    call.line(type="leave", reason="r" * 8_000_000)
    call.drain()
    call.line(type="stop_playback")
    call.drain()
    assert short(call.events())[-1] == "player_state idle"


# --- statistics and a parent that does not read ---


def test_statistics_come_every_five_seconds_while_connected():
    call = Call()
    call.run(11.0)
    assert call.events(telemetry=True) == []
    call.connect()
    call.run(10.0)
    kinds = [event["type"] for event in call.events(telemetry=True)]
    assert kinds.count("transport_stats") == 2
    call.line(type="leave")
    call.drain()
    call.events()
    call.run(10.0)
    assert call.events(telemetry=True) == []


def test_a_parent_that_reads_nothing_for_a_minute_ends_the_process():
    call = Call()
    for _ in range(CONTROL_EVENTS + 10):
        call.outbox.put_control(b"\x00\x02\x00\x00\x00{}")
    call.run(59.0)
    assert call.exit_codes == []
    call.run(10.0)
    assert call.exit_codes == [74]


# --- the end ---


def test_the_end_of_the_input_waits_for_the_commands_before_it():
    call = Call().connect()
    call.line(type="leave")
    call.end_of_input()
    call.drain()
    assert call.events()[0]["type"] == "adapter_send"
    assert call.exit_codes == [0]


def test_a_signal_does_not_wait_for_a_command_that_hangs():
    call = Call()
    connection = call.connection
    call.pump.actors.remove(connection)
    call.join()
    call.drain()
    call.signal()
    call.pump.actors.append(connection)
    call.drain()
    assert call.exit_codes == [0]


def test_speech_is_stopped_and_keys_are_forgotten_before_the_process_ends():
    call = Call().establish(42)
    call.audio("p1", 500)
    call.run(0.1)
    call.events()
    call.line(type="destroy")
    call.drain()
    assert short(call.events()) == ["tts_playback_state p1 stopped destroy", "dave_state voice cleared"]
    assert call.exit_codes == [0]
    assert call.pacer.due() is None


def test_the_process_ends_within_its_deadline_even_if_an_actor_hangs():
    call = Call().connect()
    call.pump.actors.remove(call.playback)
    call.line(type="destroy")
    call.run(0.11)
    assert call.exit_codes == [0]


def test_nothing_is_carried_out_after_the_end():
    call = Call().connect()
    call.line(type="destroy")
    call.drain()
    call.events()
    call.join("c2")
    call.line(type="stop_playback")
    call.end_of_input()
    call.signal()
    call.run(5.0)
    assert call.events() == []
    assert call.exit_codes == [0]


def test_the_pacing_clock_lives_as_long_as_the_router():
    call = Call()
    assert call.pacer.running
    call.router.actor_ref.stop(block=False)
    call.drain()
    assert not call.pacer.running


# --- failures ---


class Bug(Exception):
    pass


def broken(_message):
    raise Bug("with a secret in its text")


def fail(call, actor):
    call.pump.tolerant = True
    actor.handle = broken
    actor.actor_ref.tell(BufferPoll())
    call.drain()


CORE = [connection_address(Role.VOICE), dave_address(Role.VOICE), PLAYBACK, MUSIC]


@pytest.mark.parametrize("address", CORE, ids=lambda address: address.kind)
def test_an_actor_that_fails_is_replaced_and_the_call_goes_on(address):
    call = Call().establish(42)
    dead = call.actor(address)
    fail(call, dead)
    told = short(call.events())
    assert call.actor(address) is not dead
    assert not [line for line in told if line.startswith("error") or "disconnected" in line or "cleared" in line]


@pytest.mark.parametrize("address", CORE, ids=lambda address: address.kind)
def test_the_fourth_failure_in_ten_seconds_closes_the_role(address):
    call = Call().establish(42)
    for _ in range(3):
        fail(call, call.actor(address))
        call.run(3.0)
    told = short(call.events())
    assert not [line for line in told if line.startswith("error") or "disconnected" in line]
    fail(call, call.actor(address))
    events = call.events()
    lines = short(events)
    assert lines[0] == "error voice_runtime_error voice"
    assert (events[0]["connectionId"], events[0]["message"]) == ("c1", "internal error: Bug")
    assert [lines.count(line) for line in ("connection_state disconnected", "dave_state voice cleared")] == [1, 1]
    assert "transport_state voice disconnected internal_error" in lines
    assert (call.web_socket.attempt, call.udp.attempt, call.pipeline.sealer) == (None, None, None)
    call.connect("c2")
    assert call.state("connection") == "ready"


def test_a_join_that_fails_too_often_ends_under_its_own_name_and_the_call_before_it_under_its():
    call = Call().establish(42)
    for _ in range(3):
        fail(call, call.connection)
    call.run(1.1)
    call.events()
    arm(call, call.connection)
    call.join("c2")
    call.drain()
    events = call.events()
    named = [
        (event["type"], event["connectionId"]) for event in events if event["type"] in ("error", "connection_state")
    ]
    assert named == [("error", "c2"), ("connection_state", "c1"), ("connection_state", "c2")]
    assert {event["connectionId"] for event in events if event["type"] == "dave_state"} <= {"c1"}
    call.connect("c3")
    assert (call.state("connection"), call.state("router")) == ("ready", "serving")


def test_an_error_of_a_call_bears_its_name_until_the_next_one_is_asked_for():
    call = Call().establish(42)
    for _ in range(3):
        fail(call, call.dave)
        call.run(1.1)
    call.events()
    arm(call, call.dave)
    call.join("c2")  # its baton is what the actor fails on
    call.drain()
    events = call.events()
    asked = [event["type"] for event in events].index("adapter_send")
    (error,) = [event for event in events[:asked] if event["type"] == "error"]
    assert error["connectionId"] == "c1"
    assert [event["connectionId"] for event in events[asked:] if event["type"] == "connection_state"] == ["c2"]


def test_the_end_of_a_role_and_a_command_behind_it_settle_though_the_connection_fails_in_between():
    call = Call().establish(42)
    for _ in range(3):
        fail(call, call.playback)
    arm(call, call.playback)
    arm(call, call.connection)
    call.playback.actor_ref.tell(FAILS_ON)
    call.pump.step(lambda count: count - 1)  # playback has failed, and the router does not know
    call.line(type="leave")
    call.drain()
    assert call.state("router") == "serving"
    lines = short(call.events())
    assert lines.count("connection_state disconnected") == 1
    call.connect("c2")
    assert call.state("connection") == "ready"


def test_a_connection_that_fails_as_the_process_ends_leaves_nobody_talking():
    call = Call().establish(42)
    call.audio("p1", 14_000)
    call.run(0.1)
    arm(call, call.connection)
    call.line(type="destroy")
    call.run(0.2)
    assert call.exit_codes == [0]
    assert "tts_playback_state p1 stopped internal_error" in short(call.events())
    assert (call.pacer.due(), call.udp.attempt) == (None, None)


def test_failures_that_are_far_apart_never_close_a_role():
    call = Call().establish(42)
    for _ in range(6):
        fail(call, call.playback)
        call.run(3.4)
        call.server.acknowledge()
    assert "error" not in [event["type"] for event in call.events()]


def test_a_role_that_is_closed_tells_the_end_of_all_that_was_open():
    call = Call().establish(42)
    call.line(type="subscribe_user", userId="42", captureId="k1")
    call.audio("p1", 14_000)
    call.drain()
    call.pipeline.packet(42)
    call.run(0.1)
    for _ in range(3):
        fail(call, call.dave)
        call.server.handshake(1) if call.server.attempt else call.run(1.1)
    call.events()
    fail(call, call.dave)
    lines = short(call.events())
    assert lines[0] == "error voice_runtime_error voice"
    assert "tts_playback_state p1 stopped internal_error" in lines
    assert "transport_state voice disconnected internal_error" in lines
    assert call.states()["playback"] == "idle"


def test_a_connection_that_fails_in_a_command_carries_it_out_again():
    call = Call()
    call.pump.tolerant = True
    call.connection.handle = broken
    call.join()
    call.line(type="stop_playback")
    call.drain()
    assert call.state("router") == "serving"
    assert short(call.events()) == ["adapter_send", "player_state idle"]
    assert call.state("connection") == "awaiting_credentials"


def test_an_idle_actor_that_fails_ends_no_call():
    call = Call()
    fail(call, call.connection)
    assert short(call.events()) == []
    assert call.state("connection") == "idle"


def test_an_actor_that_fails_while_the_process_ends_is_not_replaced():
    call = Call().connect()
    call.pump.tolerant = True
    call.dave.handle = broken
    call.line(type="destroy")
    call.run(0.2)
    assert call.exit_codes == [0]
    assert short(call.events()) == ["dave_state voice cleared"]


def test_messages_to_the_dead_are_forgotten():
    call = Call()
    dead = call.playback
    fail(call, dead)
    call.events()
    call.told(ActorFailed(address=PLAYBACK, error="again"), call.router)
    call.told(Envelope(to=connection_address(Role.VOICE), message=SocketOpened(attempt=99)), call.router)
    assert call.state("connection") == "idle"
    assert call.router._connections[Role.VOICE] is ConnectionState.IDLE


# --- statistics of streams ---


def stream(ended=False):
    ledger = StreamLedger(Ssrc(7))
    ledger.arrived = 1
    ledger.settle(Fate.DECODED)
    return StreamReport(UserId(42), ledger, 0, ended)


def test_streams_are_told_every_5_s_and_also_without_a_connection():
    call = Call()
    call.streams = [stream()]
    call.drain()
    assert "stream_stats" not in [event["type"] for event in call.events(telemetry=True)]
    call.run(5.0)
    (told,) = [event for event in call.events(telemetry=True) if event["type"] == "stream_stats"]
    assert (told["userId"], told["ssrc"], told["ended"], told["fates"]["decoded"]) == ("42", 7, False, 1)
    call.run(5.0)
    assert "stream_stats" not in [event["type"] for event in call.events(telemetry=True)]


def test_the_last_word_of_a_stream_follows_its_user_at_once():
    call = Call().connect()
    call.streams = [stream(ended=True)]
    call.server.member_gone(42)
    call.drain()
    assert [event["type"] for event in call.events(telemetry=True)][-2:] == ["client_disconnect", "stream_stats"]
