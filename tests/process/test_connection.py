"""Joins, moves, losses and refusals of the real process, as its parent and the voice server see them."""

import pytest

from clankvox.demo.parent import VoxParent
from clankvox.loopback.discord import LoopbackDiscord
from tests.support.gateway_server import certificate
from tests.support.process_call import TOKEN, Call, chirp, eventually, write_wav

C1 = {"connectionId": "c1"}
READY = [
    {"type": "connection_state", "status": "ready", **C1},
    {"type": "transport_state", "role": "voice", "status": "ready", **C1},
    {"type": "ready", **C1},
    {"type": "playback_armed", "reason": "connection_ready"},
    {"type": "dave_state", "role": "voice", "status": "ready", "protocolVersion": 1, **C1},
]
CLEARED = {"type": "dave_state", "role": "voice", "status": "cleared", **C1}
NEGOTIATING = {"type": "dave_state", "role": "voice", "status": "negotiating", "protocolVersion": 1, **C1}


def reconnecting(reason):
    return [
        {"type": "connection_state", "status": "reconnecting", **C1},
        {"type": "transport_state", "role": "voice", "status": "reconnecting", "reason": reason, **C1},
    ]


def disconnected(reason):
    return [
        {"type": "connection_state", "status": "disconnected", **C1},
        {"type": "transport_state", "role": "voice", "status": "disconnected", "reason": reason, **C1},
    ]


def op4(call, channel):
    state = {"guild_id": call.guild, "channel_id": channel, "self_mute": False, "self_deaf": False}
    return {"type": "adapter_send", "payload": {"op": 4, "d": state}}


def but_negotiating(told):
    """Telling that encryption begins anew is allowed at any point of a reconnection."""
    return [event for event in told if event != NEGOTIATING]


def named(told, kind):
    return [event for event in told if event["type"] == kind]


# --- joins ------------------------------------------------------------------------------------------------------------


def test_of_two_joins_in_a_row_only_the_second_becomes_a_call(vox, discord):
    call = Call(vox, discord)
    call.join(connectionId="c0")
    call.join()
    call.credentials()
    call.wait_ready()
    told = call.told()
    assert len(named(told, "adapter_send")) == 2
    assert {event["connectionId"] for event in told if "connectionId" in event} <= {"c0", "c1"}
    assert [event for event in told if event.get("connectionId") == "c0"] == [
        {"type": "dave_state", "role": "voice", "connectionId": "c0", "status": "cleared"}
    ]


def test_a_new_join_ends_the_call_under_its_old_id_before_the_new_op_4(call):
    since = call.vox.mark()
    call.join(connectionId="c2", channelId="77")
    call.wait_for("adapter_send", since=since)
    call.voice_state(channel_id="77")
    call.voice_server()
    call.wait_for("ready", since=since, connectionId="c2")
    told = call.told(since)
    assert told[:2] == [CLEARED, op4(call, "77")]
    assert {event.get("connectionId", "c2") for event in told[2:]} == {"c2"}
    assert not [event for event in told if event.get("status") == "disconnected"]
    call.wait_for("dave_state", since=since, status="ready")
    assert call.room()["channelId"] == "77"


def test_a_move_to_another_channel_by_the_gateway_is_a_reconnection_and_no_end(call):
    since = call.vox.mark()
    call.voice_state(channel_id="88")
    call.voice_server(token=TOKEN + "-new")
    call.wait_ready(since)
    told = but_negotiating(call.told(since))
    assert told == [*reconnecting("voice_channel_changed"), *READY]
    eventually(lambda: call.room()["channelId"] == "88", "the new room")


def test_a_server_that_goes_away_and_another_one_that_comes_are_a_reconnection_and_no_end(call):
    with LoopbackDiscord(tls=False) as other:
        since = call.vox.mark()
        call.voice_server(endpoint=None, token=None)
        call.wait_for("transport_state", since=since, status="reconnecting")
        call.voice_server(endpoint=other.endpoint)
        call.wait_ready(since)
        assert but_negotiating(call.told(since)) == [*reconnecting("voice_server_cleared"), *READY]
        assert other.stats(call.me)["online"]
        eventually(lambda: call.seen() == {}, "the end of the first connection")
        since = call.vox.mark()
        call.voice_server()
        call.wait_ready(since)
        assert but_negotiating(call.told(since)) == [*reconnecting("voice_server_changed"), *READY]


def test_the_same_credentials_again_change_nothing(call):
    since = call.vox.mark()
    call.credentials()
    call.vox.send({"type": "inspect"})
    call.wait_for("inspect", since=since)
    assert [event["type"] for event in call.told(since)] == ["inspect"]


def test_a_call_that_the_gateway_ends_is_over_without_an_op_4(call):
    since = call.vox.mark()
    call.voice_state(channel_id=None)
    call.wait_for("transport_state", since=since, status="disconnected")
    assert call.told(since) == [CLEARED, *disconnected("gateway_voice_state_left")]


# --- losses -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "reason"), [(4006, "session_no_longer_valid"), (4000, "unknown")])
def test_a_connection_that_can_be_had_again_shows_reconnecting_and_is_ready_under_the_same_id(
    call, tmp_path, code, reason
):
    word = write_wav(tmp_path / "word.wav", chirp(0.2))
    call.subscribe(call.add(file=word, loop=True, pauseMs=500), silenceDurationMs=200)
    call.wait_for("user_audio_end")
    since = call.vox.mark()
    call.close(code)
    call.wait_ready(since)
    told = [event for event in but_negotiating(call.told(since)) if "userId" not in event]
    assert told[:3] == [*reconnecting(reason), op4(call, call.channel)]
    assert told[3:] == READY
    call.wait_for("user_audio_end", since=call.vox.mark())


def test_a_disconnection_by_somebody_else_waits_for_a_move_and_is_over_when_there_is_none(call):
    since = call.vox.mark()
    call.close(4014)
    call.wait_for("transport_state", since=since, status="reconnecting")
    call.voice_state(channel_id=None)
    call.wait_for("transport_state", since=since, status="disconnected")
    told = but_negotiating(call.told(since))
    assert told == [*reconnecting("disconnected"), CLEARED, *disconnected("gateway_voice_state_left")]


def test_a_disconnection_that_was_a_move_goes_on_with_the_new_server(call):
    since = call.vox.mark()
    call.close(4014)
    call.wait_for("transport_state", since=since, status="reconnecting")
    call.voice_state(channel_id="99")
    call.voice_server(token=TOKEN + "-new")
    call.wait_ready(since)
    assert but_negotiating(call.told(since)) == [*reconnecting("disconnected"), *READY]
    eventually(lambda: call.room()["channelId"] == "99", "the new room")


def test_a_terminal_close_is_told_once_in_the_contracts_order_and_asks_for_nothing_more(call, tmp_path):
    call.listener(tmp_path)
    call.say(chirp(2.0), "p1", 48_000)
    call.wait_said("p1", "started")
    since = call.vox.mark()
    call.close(4017)
    call.wait_for("dave_state", since=since, status="cleared")
    error, *rest = call.told(since)
    assert (error["type"], error["code"], error["role"], error["connectionId"]) == (
        "error",
        "voice_runtime_error",
        "voice",
        "c1",
    )
    heard_ms = next(event.pop("playedMs") for event in rest if event["type"] == "tts_playback_state")
    assert 0 < heard_ms < 2_000
    assert rest == [
        *disconnected("dave_required"),
        {"type": "tts_playback_state", "playbackId": "p1", "status": "stopped", "reason": "dave_required"},
        CLEARED,
    ]


def test_a_call_that_was_given_up_can_be_joined_anew(call):
    call.close(4017)
    call.wait_for("transport_state", status="disconnected")
    call.enter()
    assert call.seen()["online"]


# --- whom to trust ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "endpoint", ["ws://192.0.2.1:80", "ws://example.com:80", "http://127.0.0.1:1", "127.0.0.1:1/?x=1"]
)
def test_an_endpoint_without_tls_beyond_this_machine_is_refused_for_good(shared_vox, discord, endpoint):
    call = Call(shared_vox, discord)
    call.join()
    call.voice_state()
    call.voice_server(endpoint=endpoint)
    call.wait_for("dave_state", status="cleared")
    error, *rest = call.told()[1:]
    assert (error["code"], error["role"], error["connectionId"]) == ("voice_connect_failed", "voice", "c1")
    assert rest == [*disconnected("endpoint_not_allowed"), CLEARED]
    assert endpoint not in str(call.told())
    call.hang_up()


def test_a_server_whose_authority_is_not_trusted_is_never_spoken_to(discord, tmp_path):
    other_authority, _ = certificate(tmp_path)
    for env in ({"SSL_CERT_FILE": str(other_authority)}, {}):
        with VoxParent(env=env) as vox:
            call = Call(vox, discord)
            call.join()
            call.credentials()
            reason = vox.wait_for("transport_state", status="reconnecting").body["reason"]
            assert "certificate" in reason.lower()
            assert not vox.events_of("ready")
            assert call.seen() == {}


def test_a_server_whose_authority_is_in_ssl_cert_file_is_trusted(call):
    assert call.discord.listening["tls"] is True
    assert call.seen()["online"]


def test_a_room_without_encryption_is_told_as_disabled_and_is_spoken_to_in_clear(tmp_path):
    with LoopbackDiscord(tls=False, dave=False) as discord, VoxParent() as vox:
        call = Call(vox, discord)
        call.join()
        call.credentials()
        told = vox.wait_for("dave_state").body
        assert told == {"type": "dave_state", "role": "voice", "status": "disabled", "protocolVersion": 0, **C1}
        call.say(chirp(0.2), "p1", 48_000)
        call.wait_said("p1")
        assert discord.stats(call.me)["packets"] > 10


def test_a_downgrade_is_disabled_and_an_upgrade_is_negotiated_and_nothing_leaves_in_clear_behind_it(call, tmp_path):
    call.listener(tmp_path)
    since = call.vox.mark()
    call.discord.order({"type": "downgrade", "serverId": call.guild})
    call.wait_for("dave_state", since=since, status="disabled")
    call.discord.order({"type": "upgrade", "serverId": call.guild})
    call.wait_for("dave_state", since=since, status="ready")
    states = [(event["status"], event["protocolVersion"]) for event in named(call.told(since), "dave_state")]
    assert states == [("disabled", 0), ("negotiating", 1), ("ready", 1)]
    call.say(chirp(0.3), "p1", 48_000)
    call.wait_said("p1")
    eventually(lambda: call.seen()["daveFrames"] >= 15, "all of it, at the server")
    assert call.room()["version"] == 1
