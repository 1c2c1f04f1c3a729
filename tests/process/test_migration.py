"""Another voice server or channel in the midst of speech, music and capture: what plays and listens goes on there."""

import pytest

from clankvox.demo.parent import VoxParent
from tests.process.test_failures import NEGOTIATING, READY, STREAMS
from tests.support.full_call import FullCall, serve_media
from tests.support.media_server import MediaServer
from tests.support.process_call import COMMAND, TOKEN, chirp

SPEECH_S = 2.0
ON_THE_WAY_MS = 40
"""Packets that the pacer was about to send when their socket went."""


@pytest.fixture(scope="module")
def full(discord, trust):
    with MediaServer() as media:
        serve_media(media)
        with VoxParent(env=trust, command=COMMAND, args=("--allow-private-hosts",)) as vox:
            full = FullCall(vox, discord, media)
            full.enter()
            yield full
            full.leave()


def new_server(call):
    call.voice_server(token=f"{TOKEN}-new-server")


def close_the_call(call, code):
    call.discord.order({"type": "close", "userId": call.me, "serverId": call.guild, "code": code})


def disconnected_and_moved(call):
    since = call.vox.mark()
    close_the_call(call, 4014)
    call.wait_for("transport_state", since=since, status="reconnecting")
    call.voice_server(token=f"{TOKEN}-moved")
    call.voice_state()


def fresh_credentials_in_the_back_off(call):
    since = call.vox.mark()
    close_the_call(call, 4006)
    call.wait_for("adapter_send", since=since)
    call.voice_server(token=f"{TOKEN}-fresh")


MOVES = {
    new_server: "voice_server_changed",
    disconnected_and_moved: "disconnected",
    fresh_credentials_in_the_back_off: "session_no_longer_valid",
}


@pytest.mark.parametrize("move", MOVES)
def test_what_is_said_played_and_captured_goes_on_with_the_new_server_and_no_stream_notices(full, move):
    call, name = full.call, move.__name__
    call.say(chirp(SPEECH_S), name, 48_000)
    call.wait_said(name, "started")
    ssrc, since = call.seen()["ssrc"], full.vox.mark()
    with full.unnoticed_by(*STREAMS):
        move(call)
        call.wait_ready(since)
        call.wait_said(name)
        full.goes_on("sent", "heard")
    told = [line for line in full.told_of("voice", since) if line not in (NEGOTIATING, "adapter_send")]
    lost = f"reconnecting {MOVES[move]}"
    assert told[:2] == ["connection_state reconnecting", f"transport_state {lost}"]
    assert sorted(told[2:]) == sorted([*READY, f"tts_playback_state {name} drained"])
    (ended,) = [
        event for event in call.events_of("tts_playback_state", playbackId=name) if event.body["status"] == "drained"
    ]
    assert ended.body["playedMs"] >= SPEECH_S * 1000 - ON_THE_WAY_MS
    seen = call.seen()
    assert seen["ssrc"] != ssrc
    assert seen["plaintextFrames"] == 0
    assert not call.events_of("music_idle")
