"""clankvox.actors.translation: commands of the contract become messages, and nothing of them is lost."""

import base64

import pytest
from msgspec import UNSET

from clankvox.actors.translation import connection_message, playback_message
from clankvox.ipc.decoding import decode_command
from clankvox.messages import connection, playback


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
    ],
)
def test_orders_to_playback_keep_their_id(line, expected):
    assert playback_message(decode_command(line)) == expected
