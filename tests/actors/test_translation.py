"""clankvox.actors.translation: commands of the contract become messages, and nothing of them is lost."""

import base64
import json

import pytest
from msgspec import UNSET

from clankvox.actors.translation import connection_message, music_message, playback_message
from clankvox.ipc.decoding import decode_command
from clankvox.messages import connection, music, playback


def test_a_join_keeps_its_ids():
    command = decode_command(b'{"type":"join","connectionId":"c1","guildId":"1","channelId":"2","selfMute":true}')
    assert connection_message(command) == connection.Join(connection_id="c1", guild_id=1, channel_id=2, self_mute=True)


def test_a_join_without_an_id_has_none():
    command = decode_command(b'{"type":"join","guildId":"1","channelId":"2"}')
    assert connection_message(command).connection_id is None


def test_a_leave_keeps_its_reason():
    command = decode_command(b'{"type":"leave","reason":"tired"}')
    assert connection_message(command) == connection.Leave(reason="tired")


def test_an_absent_key_of_a_voice_state_is_not_a_cleared_one():
    message = connection_message(decode_command(b'{"type":"voice_state","data":{"channel_id":null}}'))
    assert message.channel_id is None
    assert message.session_id is UNSET
    assert message.user_id is UNSET


def test_a_voice_server_without_endpoint_says_that_it_went_away():
    message = connection_message(decode_command(b'{"type":"voice_server","data":{"endpoint":null,"token":"t"}}'))
    assert (message.endpoint, message.token) == (None, "t")


def test_pcm_is_opened_into_a_buffer_that_can_be_wiped():
    text = base64.b64encode(b"\x01\x02").decode()
    message = playback_message(decode_command(f'{{"type":"audio","playbackId":"p","pcmBase64":"{text}"}}'.encode()))
    assert message.pcm == bytearray(b"\x01\x02")
    assert (message.playback_id, message.sample_rate_hz, message.refusal) == ("p", 24_000, None)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ('"pcmBase64":"?"', "invalid_pcm_base64"),
        ('"pcmBase64":""', "empty_pcm"),
        ('"pcmBase64":"AAAA","sampleRate":7999', "invalid_sample_rate"),
    ],
)
def test_pcm_that_cannot_be_played_becomes_its_reason(fields, reason):
    message = playback_message(decode_command(f'{{"type":"audio",{fields}}}'.encode()))
    assert (message.pcm, message.refusal) == (None, reason)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"type":"finish_tts_playback","playbackId":"p"}', playback.FinishTts(playback_id="p")),
        (b'{"type":"stop_tts_playback"}', playback.StopTts(playback_id=None)),
        (b'{"type":"stop_playback"}', playback.StopPlayback()),
        (
            b'{"type":"duck","target":0.2,"attackMs":1,"releaseMs":2}',
            playback.SetDucking(target=0.2, attack_ms=1, release_ms=2),
        ),
    ],
)
def test_orders_to_playback_keep_their_id(line, expected):
    assert playback_message(decode_command(line)) == expected


@pytest.mark.parametrize("name", ["m", None])
def test_orders_to_music_keep_their_id_and_only_music_without_one_waits_for_speech(name):
    fields = {} if name is None else {"musicId": name}
    play = {"type": "music_play", "url": " https://example.com ", "resolvedDirectUrl": True}
    gain = {"type": "music_set_gain", "target": 2, "fadeMs": 10}
    expected = [
        music.PlayMusic(music_id=name, url="https://example.com", direct=True, waits_for_speech=name is None),
        music.SetMusicGain(music_id=name, target=1.0, fade_ms=10),
        music.StopMusic(music_id=name),
        music.PauseMusic(music_id=name),
        music.ResumeMusic(music_id=name),
    ]
    plain = [{"type": f"music_{word}"} for word in ("stop", "pause", "resume")]
    commands = [decode_command(json.dumps(line | fields).encode()) for line in (play, gain, *plain)]
    assert [music_message(command) for command in commands] == expected
