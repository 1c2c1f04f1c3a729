"""A whole call as each generation of parents sees it, event by event."""

import numpy as np
import pytest

from tests.support.process_call import Call, chirp, eventually, write_wav

WORD = chirp(0.3)
REPLY = np.tile(np.array([3_000, -3_000], np.int16), 2_400)  # 0.2 s at 24 kHz


@pytest.fixture(scope="module")
def word(tmp_path_factory):
    return write_wav(tmp_path_factory.mktemp("said") / "word.wav", WORD)


def adapter_send(call, channel):
    state = {"guild_id": call.guild, "channel_id": channel, "self_mute": False, "self_deaf": False}
    return {"type": "adapter_send", "payload": {"op": 4, "d": state}}


def beginning(call):
    """What every parent is told until its call is encrypted."""
    ids = {} if call.connection_id is None else {"connectionId": call.connection_id}
    return [
        adapter_send(call, call.channel),
        {"type": "connection_state", "status": "ready", **ids},
        {"type": "transport_state", "role": "voice", "status": "ready", **ids},
        {"type": "ready", **ids},
        {"type": "playback_armed", "reason": "connection_ready"},
        {"type": "dave_state", "role": "voice", "status": "negotiating", "protocolVersion": 1, **ids},
        {"type": "dave_state", "role": "voice", "status": "ready", "protocolVersion": 1, **ids},
    ]


def test_a_v_parent_sees_exactly_the_events_of_the_contract_with_its_ids(vox, discord, word):
    call = Call(vox, discord)
    call.enter()
    user = call.add(file=word)
    vox.wait_for("speaking_start")
    call.subscribe(user, "k1", silenceDurationMs=300)
    vox.wait_for("user_audio_end")
    call.say(REPLY, "p1")
    call.wait_said("p1")
    vox.send({"type": "leave"})
    vox.wait_for("transport_state", status="disconnected")
    assert call.told() == [
        *beginning(call),
        {"type": "speaking_start", "userId": user},
        {"type": "speaking_end", "userId": user, "captureId": "k1"},
        {"type": "user_audio_end", "userId": user, "captureId": "k1"},
        {"type": "tts_playback_state", "playbackId": "p1", "status": "buffered"},
        {"type": "tts_playback_state", "playbackId": "p1", "status": "started"},
        {"type": "tts_playback_state", "playbackId": "p1", "status": "drained", "playedMs": 200},
        adapter_send(call, None),
        {"type": "dave_state", "role": "voice", "connectionId": "c1", "status": "cleared"},
        {"type": "connection_state", "status": "disconnected", "connectionId": "c1"},
        {
            "type": "transport_state",
            "role": "voice",
            "connectionId": "c1",
            "status": "disconnected",
            "reason": "explicit_leave",
        },
    ]
    assert {piece.capture_id for piece in vox.audio} == {"k1"}


def test_an_m_parent_in_a_private_call_sees_exactly_its_events_without_ids(vox, discord, word):
    """It waits for process_ready, has the channel as guild, and subscribes at every speaking_start."""
    call = Call(vox, discord, connection_id=None)
    call.guild = call.channel
    call.join()
    vox.wait_for("adapter_send")
    call.voice_state(guild_id=None, self_video=False, suppress=False, member=None)
    call.voice_server(guild_id=None, channel_id=call.channel)
    call.wait_ready()
    user = call.add(file=word, loop=True, pauseMs=1_000)
    for _ in range(2):
        since = vox.mark()
        vox.wait_for("speaking_start", since=since)
        call.subscribe(user, silenceDurationMs=300)
        vox.wait_for("user_audio_end", since=since)
    since = vox.mark()
    call.remove(user)
    vox.wait_for("client_disconnect", since=since)
    told = call.told()
    spoken = [
        {"type": "speaking_start", "userId": user},
        {"type": "speaking_end", "userId": user},
        {"type": "user_audio_end", "userId": user},
    ]
    assert told[: 7 + 6] == [*beginning(call), *spoken, *spoken]
    assert told[-1] == {"type": "client_disconnect", "userId": user}
    assert {piece.capture_id for piece in vox.audio} == {None}


def test_an_l_parent_sees_only_buffered_and_idle_and_ends_the_process_without_a_leave(vox, discord, word, tmp_path):
    call = Call(vox, discord, connection_id=None)
    call.join(selfDeaf=False)
    call.credentials()
    call.wait_ready()
    user = call.add(file=word, receive=True)
    call.subscribe(user, silenceDurationMs=300)
    vox.wait_for("user_audio_end")
    call.say(REPLY)
    vox.wait_for("tts_playback_state", status="idle")
    vox.send({"type": "stop_tts_playback"})
    vox.send({"type": "stop_playback"})
    vox.wait_for("playback_armed", reason="stop_playback")
    call.voice_state(channel_id=None)
    vox.send({"type": "destroy"})
    vox.close_stdin()
    assert vox.wait_exit() == 0
    assert call.told() == [
        *beginning(call),
        {"type": "speaking_start", "userId": user},
        {"type": "speaking_end", "userId": user},
        {"type": "user_audio_end", "userId": user},
        {"type": "tts_playback_state", "status": "buffered"},
        {"type": "tts_playback_state", "status": "idle"},
        {"type": "player_state", "status": "idle"},
        {"type": "playback_armed", "reason": "stop_playback"},
        {"type": "dave_state", "role": "voice", "status": "cleared"},
        {"type": "connection_state", "status": "disconnected"},
        {"type": "transport_state", "role": "voice", "status": "disconnected", "reason": "gateway_voice_state_left"},
    ]


@pytest.mark.parametrize("connection_id", ["c1", None])
def test_ids_are_decided_object_by_object(vox, discord, word, connection_id):
    """A V connection with a persistent capture and an anonymous playback, and the other way round."""
    call = Call(vox, discord, connection_id=connection_id)
    call.enter()
    user = call.add(file=word, receive=True)
    ids = [None, "k1"] if connection_id else ["k1", None]
    call.subscribe(user, ids[0], silenceDurationMs=200)
    vox.wait_for("user_audio_end")
    assert {piece.capture_id for piece in vox.audio} == {ids[0]}
    call.say(REPLY, None if connection_id else "p1")
    eventually(
        lambda: vox.events_of("tts_playback_state", status="idle" if connection_id else "drained"), "the end of speech"
    )
    spoken = [event.body.get("playbackId") for event in vox.events_of("tts_playback_state")]
    assert set(spoken) == {None if connection_id else "p1"}
