"""Every command of the contract is answered, also those whose actors come with a later version."""

import json

import pytest

from clankvox.actors.unavailable import refusal
from clankvox.ipc.decoding import decode_command
from clankvox.ipc.events import encode_event

ROLE = {"endpoint": "e", "token": "t", "serverId": "1", "sessionId": "s", "userId": "2", "daveChannelId": "3"}
ANSWERS = {
    "music_play": ({"musicId": "m", "url": "https://example.com"}, "music_error player_state"),
    "music_stop": ({"musicId": "m"}, "music_error player_state"),
    "music_pause": ({"musicId": "m"}, "music_error player_state"),
    "music_resume": ({"musicId": "m"}, "music_error player_state"),
    "music_set_gain": ({"musicId": "m", "target": 0.5, "fadeMs": 10}, "music_error player_state"),
    "stream_watch_connect": (ROLE, "error transport_state"),
    "stream_publish_connect": (ROLE, "error transport_state"),
    "stream_watch_disconnect": ({}, "dave_state transport_state"),
    "stream_publish_disconnect": ({}, "dave_state transport_state"),
    "stream_publish_stop": ({}, "transport_state"),
    "stream_publish_pause": ({}, "transport_state"),
    "stream_publish_resume": ({}, "transport_state"),
    "subscribe_user_video": ({"userId": "2"}, "error"),
    "unsubscribe_user_video": ({"userId": "2"}, "error"),
}


def answers(tag, fields, *, ready=False):
    command = decode_command(json.dumps({"type": tag} | fields).encode())
    return [json.loads(encode_event(event)) for event in refusal(command, transport_ready=ready)]


@pytest.mark.parametrize("tag", ANSWERS)
def test_a_command_is_answered_with_its_own_failure(tag):
    fields, expected = ANSWERS[tag]
    assert " ".join(event["type"] for event in answers(tag, fields)) == expected


def test_an_id_is_echoed():
    assert answers("music_play", ANSWERS["music_play"][0])[0]["musicId"] == "m"


def test_a_track_without_a_url_cannot_be_played():
    assert answers("music_play", {"musicId": "m", "url": " "})[0]["type"] == "music_error"


def test_the_mixer_is_armed_only_with_a_transport():
    assert answers("music_stop", {}, ready=True)[-1] == {"type": "playback_armed", "reason": "music_error"}
