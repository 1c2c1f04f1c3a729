import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.errors import CommandError, InputTooLarge, InvalidJson, InvalidRequest
from clankvox.ids import Role
from clankvox.ipc.commands import COMMANDS, Audio, Join, MusicStop, StreamPublishBrowserFrame
from clankvox.ipc.decoding import decode_command, decode_pcm, decode_picture
from clankvox.ipc.framing import LINE_LIMIT_BYTES
from clankvox.ipc.statuses import TtsReason

CONNECT = {"endpoint": "e", "token": "t", "serverId": "1", "sessionId": "s", "userId": "2", "daveChannelId": "3"}
REQUIRED = {
    "join": {"guildId": "10", "channelId": "20"},
    "voice_server": {"data": {}},
    "voice_state": {"data": {}},
    "stream_watch_connect": CONNECT,
    "stream_publish_connect": CONNECT,
    "audio": {"pcmBase64": "AAA="},
    "subscribe_user": {"userId": "42"},
    "unsubscribe_user": {"userId": "42"},
    "subscribe_user_video": {"userId": "42"},
    "unsubscribe_user_video": {"userId": "42"},
    "music_play": {"url": "https://example.org/a"},
    "music_set_gain": {"target": 0.5},
    "duck": {"target": 0.2},
    "stream_publish_play": {"url": "https://example.org/a"},
    "stream_publish_play_visualizer": {"url": "https://example.org/a"},
    "stream_publish_browser_start": {"mimeType": "image/png"},
    "stream_publish_browser_frame": {"mimeType": "image/png", "frameBase64": "AAAA"},
}


def line(tag, **fields):
    return json.dumps({"type": tag, **fields}).encode()


def decode(tag, **fields):
    return decode_command(line(tag, **{**REQUIRED.get(tag, {}), **fields}))


@pytest.mark.parametrize("tag", COMMANDS)
def test_every_command_decodes_with_its_required_fields_alone(tag):
    assert type(decode(tag)) is COMMANDS[tag]


@pytest.mark.parametrize(("tag", "missing"), [(tag, key) for tag, fields in REQUIRED.items() for key in fields])
@pytest.mark.parametrize("as_null", [False, True])
def test_without_a_required_field_it_is_invalid_json(tag, missing, as_null):
    fields = {key: value for key, value in REQUIRED[tag].items() if key != missing}
    with pytest.raises(InvalidJson):
        decode_command(line(tag, **fields, **({missing: None} if as_null else {})))


@pytest.mark.parametrize("tag", COMMANDS)
def test_null_means_absent(tag):
    optional = {name: None for name in COMMANDS[tag].__struct_encode_fields__ if name not in REQUIRED.get(tag, {})}
    assert decode(tag, **optional) == decode(tag)


@pytest.mark.parametrize("tag", COMMANDS)
def test_unknown_fields_are_ignored(tag):
    assert decode(tag, nobody=[{"knows": 1.5}], d=None) == decode(tag)


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"join"',
        b"{}",
        b'{"type":null}',
        b'{"type":7}',
        b'{"type":["join"]}',
        b'{"type":"no_such_command"}',
        b'{"type":"Destroy"}',
        b'\xff{"type":"destroy"}',
        b'{"type":"leave","reason":"\xff"}',
        b'{"type":"leave","reason":"\\ud800"}',
        b'{"type":"destroy"} {"type":"destroy"}',
        b'{"type":"music_set_gain","target":NaN}',
        b'{"type":"music_set_gain","target":1e400}',
        b'{"type":"join","guildId":10,"channelId":"20"}',
        b'{"type":"voice_state","data":{"user_id":42}}',
        b'{"type":"voice_state","data":[]}',
        b'{"type":"subscribe_user","userId":"42","role":"nobody"}',
        b"[" * 500_000,
        b'{"type":"leave","x":' + b'{"a":' * 500_000,
        b'{"type":"leave","x":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    ],
)
def test_what_is_no_command_is_invalid_json(bad):
    with pytest.raises(InvalidJson):
        decode_command(bad)


@pytest.mark.parametrize(
    ("tag", "key", "value"),
    [
        ("join", "selfMute", "true"),
        ("join", "selfMute", 1),
        ("join", "connectionId", 7),
        ("leave", "reason", 7),
        ("audio", "pcmBase64", 7),
        ("audio", "sampleRate", "24000"),
        ("audio", "sampleRate", 24000.5),
        ("audio", "sampleRate", -1),
        ("audio", "sampleRate", 2**32),
        ("audio", "sampleRate", True),
        ("audio", "sampleRate", 1e30),
        ("music_set_gain", "fadeMs", -1),
        ("music_set_gain", "target", "1"),
        ("stream_publish_browser_frame", "capturedAtMs", -1),
        ("stream_publish_browser_frame", "capturedAtMs", 2**64),
        ("subscribe_user", "timeline", "yes"),
    ],
)
def test_a_field_of_the_wrong_type_is_invalid_json(tag, key, value):
    with pytest.raises(InvalidJson):
        decode(tag, **{key: value})


@pytest.mark.parametrize("number", ["24000.0", "2.4e4"])
def test_an_integral_float_is_an_integer(number):
    command = decode_command(b'{"type":"audio","pcmBase64":"","sampleRate":%s}' % number.encode())
    assert command.sample_rate == 24_000
    assert isinstance(command.sample_rate, int)


@pytest.mark.parametrize(
    ("tag", "key"),
    [
        ("join", "guildId"),
        ("join", "channelId"),
        ("subscribe_user", "userId"),
        ("unsubscribe_user", "userId"),
        ("subscribe_user_video", "userId"),
        ("unsubscribe_user_video", "userId"),
        *[
            (f"stream_{role}_connect", key)
            for role in ("watch", "publish")
            for key in ("serverId", "userId", "daveChannelId")
        ],
    ],
)
@pytest.mark.parametrize("value", ["", "abc", "-1", str(2**64)])
def test_an_id_that_is_no_u64_is_an_invalid_request(tag, key, value):
    with pytest.raises(InvalidRequest):
        decode(tag, **{key: value})


@pytest.mark.parametrize("key", ["channel_id", "user_id", "guild_id"])
def test_so_are_the_ids_inside_a_voice_state(key):
    with pytest.raises(InvalidRequest):
        decode("voice_state", data={key: "abc"})


def test_a_wrong_shape_wins_over_a_wrong_value():
    with pytest.raises(InvalidJson):
        decode("subscribe_user", userId="abc", sampleRate="x")


def test_an_id_that_the_command_does_not_have_is_ignored():
    assert decode("music_stop", userId=42, guildId="abc") == MusicStop()


def test_ids_are_typed_integers_inside():
    assert decode("join") == Join(guild_id=10, channel_id=20)


def test_a_line_over_the_cap_is_too_large_whatever_it_is():
    with pytest.raises(InputTooLarge):
        decode_command(b"x" * (LINE_LIMIT_BYTES + 1))


def test_a_line_of_exactly_the_cap_decodes():
    frame = b'{"type":"audio","pcmBase64":"'
    text = b"A" * (LINE_LIMIT_BYTES - len(frame) - 2)
    assert decode_command(frame + text + b'"}').pcm_base64 == text.decode()


def test_an_error_does_not_repeat_a_secret():
    secret = "s3cret-token"
    for bad in (
        line("voice_server", data={"token": [secret]}),
        line("stream_watch_connect", **{**CONNECT, "token": secret, "serverId": secret}),
        line("voice_state", data={"session_id": secret, "user_id": 7}),
        b'{"type":"join","token":"%s"' % secret.encode(),
    ):
        with pytest.raises(CommandError) as caught:
            decode_command(bad)
        assert secret not in str(caught.value)


def test_an_error_is_short_however_long_the_line():
    with pytest.raises(InvalidJson) as caught:
        decode("subscribe_user", role="x" * 100_000)
    assert len(str(caught.value)) <= 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["42", "10", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
WIRE_KEYS = sorted({key for command in COMMANDS.values() for key in command.__struct_encode_fields__})


def is_command_or_command_error(data: bytes) -> bool:
    try:
        return type(decode_command(data)) in COMMANDS.values()
    except CommandError:
        return True


@given(st.binary(max_size=300))
def test_any_bytes_are_a_command_or_a_command_error(data):
    assert is_command_or_command_error(data)


@given(st.sampled_from(sorted(COMMANDS)), st.dictionaries(st.sampled_from(WIRE_KEYS), JSON, max_size=5))
def test_any_fields_are_a_command_or_a_command_error(tag, fields):
    assert is_command_or_command_error(line(tag, **{**REQUIRED.get(tag, {}), **fields}))


@given(st.sampled_from(sorted(COMMANDS)), st.data())
def test_any_damaged_line_is_a_command_or_a_command_error(tag, data):
    whole = bytearray(line(tag, **REQUIRED.get(tag, {})))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    assert is_command_or_command_error(bytes(whole))


PCM = bytes(range(8))


def audio(pcm_base64=None, rate=24_000):
    return Audio(pcm_base64=base64.b64encode(PCM).decode() if pcm_base64 is None else pcm_base64, sample_rate=rate)


@pytest.mark.parametrize("rate", [8_000, 24_000, 48_000])
def test_pcm_opens_into_a_buffer_that_can_be_wiped(rate):
    pcm = decode_pcm(audio(rate=rate))
    assert isinstance(pcm, bytearray)
    assert pcm == PCM


def test_an_odd_number_of_bytes_is_kept():
    assert decode_pcm(audio("AA==")) == b"\x00"


@pytest.mark.parametrize(
    "text", ["A", "AA", "AAA", "A===", "AA=A", "AAAA\n", " AAAA", "AA-_", "====", "é", "AAAA=", "A" * 5]
)
def test_what_is_not_padded_standard_base64_is_refused(text):
    assert decode_pcm(audio(text)) is TtsReason.INVALID_PCM_BASE64


@pytest.mark.parametrize("rate", [0, 7_999, 48_001, 2**32 - 1])
def test_a_rate_out_of_range_is_refused_and_not_clamped(rate):
    assert decode_pcm(audio(rate=rate)) is TtsReason.INVALID_SAMPLE_RATE


def test_an_empty_chunk_is_refused():
    assert decode_pcm(audio("")) is TtsReason.EMPTY_PCM


def test_faults_are_found_in_the_order_base64_rate_empty():
    assert decode_pcm(audio("A", rate=0)) is TtsReason.INVALID_PCM_BASE64
    assert decode_pcm(audio("", rate=0)) is TtsReason.INVALID_SAMPLE_RATE


def picture(text):
    return decode_picture(StreamPublishBrowserFrame(mime_type="image/png", frame_base64=text))


def test_a_picture_opens_or_says_why_not():
    assert picture("iVBO") == b"\x89PN"
    assert picture("  ") == "stream_publish_browser_frame_missing_bytes"
    assert picture("iVB").startswith("stream_publish_browser_frame_invalid_base64: ")
    limit = 6_291_456
    assert len(picture("A" * (limit // 3 * 4))) == limit
    assert picture("A" * (limit // 3 * 4) + "AA==") == "stream_publish_browser_frame_too_large:6291457"


def test_what_is_heard_on_the_stream_has_a_role():
    assert decode("subscribe_user", role="stream_watch").role is Role.STREAM_WATCH
    for tag in ("subscribe_user", "unsubscribe_user"):
        with pytest.raises(InvalidRequest):
            decode(tag, role="stream_publish")
