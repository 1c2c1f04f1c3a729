"""Whatever a line of stdin is: it gets its error, and the next one works."""

import base64
import json

import psutil
import pytest

from clankvox.demo.parent import VoxParent
from tests.support.process_call import answer_of, line, probe, run

CAP = 8 * 1024 * 1024

INVALID_JSON = {
    "no JSON": b"join me",
    "half an object": b'{"type":"leave"',
    "two objects": b'{"type":"leave"}{"type":"leave"}',
    "an array": b'[{"type":"leave"}]',
    "a number": b"1",
    "null": b"null",
    "no type": b"{}",
    "a type that is no text": b'{"type":1}',
    "an unknown type": b'{"type":"make_coffee"}',
    "a duplicate key with garbage": b'{"type":"leave","type":',
    "not UTF-8": b'{"type":"leave","reason":"\xff\xfe"}',
    "only bytes": bytes(range(128, 256)),
    "a NUL": b'{"type":"leave"}\x00',
    "NaN": b'{"type":"music_set_gain","target":NaN}',
    "a lone surrogate": b'{"type":"leave","reason":"\\ud800"}',
    "deep arrays": b'{"type":"leave","reason":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"type":"leave","reason":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
    "deep and unclosed": b"[" * 1_000_000,
    "a missing field": b'{"type":"join","channelId":"20"}',
    "a snowflake that is a number": b'{"type":"join","guildId":10,"channelId":"20"}',
    "a boolean that is text": b'{"type":"join","guildId":"10","channelId":"20","selfMute":"yes"}',
    "a rate that is text": b'{"type":"subscribe_user","userId":"1","sampleRate":"24000"}',
    "a negative rate": b'{"type":"subscribe_user","userId":"1","sampleRate":-1}',
    "a fraction": b'{"type":"subscribe_user","userId":"1","sampleRate":24000.5}',
    "a rate beyond 32 bits": b'{"type":"subscribe_user","userId":"1","sampleRate":4294967296}',
    "data that is no object": b'{"type":"voice_server","data":"x"}',
    "no data": b'{"type":"voice_state"}',
    "an endpoint that is a number": b'{"type":"voice_server","data":{"endpoint":1,"token":"t"}}',
    "PCM that is an array": b'{"type":"audio","playbackId":"p","pcmBase64":[1,2]}',
    "no PCM": b'{"type":"audio","playbackId":"p"}',
}

INVALID_REQUEST = {
    "a blank connection id": line(type="join", connectionId="  ", guildId="10", channelId="20"),
    "a guild that is no number": line(type="join", connectionId="c", guildId="ten", channelId="20"),
    "a channel beyond 64 bits": line(type="join", guildId="10", channelId=str(1 << 64)),
    "a negative user": line(type="subscribe_user", userId="-1"),
    "a user in other digits": line(type="subscribe_user", userId="٤٢"),
    "an empty capture id": line(type="subscribe_user", userId="1", captureId=""),
    "a capture id beyond its header field": line(type="subscribe_user", userId="1", captureId="k" * 65_536),
    "an empty playback id": line(type="audio", playbackId="", pcmBase64="AAAA"),
    "a channel that is no number": line(type="voice_state", data={"channel_id": "general"}),
    "a user that is no number": line(type="voice_state", data={"user_id": ""}),
    "a stream of nobody": line(
        type="stream_watch_connect",
        endpoint="e",
        token="t",
        serverId="x",
        sessionId="s",
        userId="1",
        daveChannelId="1",
    ),
}


def errors_of(events):
    return [event["code"] for event in events if event["type"] == "error"]


def probes_of(events):
    return [event["playbackId"] for event in events if event["type"] == "tts_playback_state"]


def with_probes(lines):
    for number, bad in enumerate(lines):
        yield bad
        yield line(**probe(f"p{number}"))


@pytest.mark.parametrize(("cases", "code"), [(INVALID_JSON, "invalid_json"), (INVALID_REQUEST, "invalid_request")])
def test_every_bad_line_gets_its_error_and_the_next_line_works(cases, code):
    events = run(*with_probes(cases.values())).events
    assert dict(zip(cases, errors_of(events), strict=True)) == dict.fromkeys(cases, code)
    assert probes_of(events) == [f"p{number}" for number in range(len(cases))]


def test_an_error_of_a_line_names_neither_role_nor_connection_and_does_not_repeat_the_line(call):
    since = call.vox.mark()
    call.vox.send_line(b'{"type":"join","guildId":"10","channelId":20,"secret":"do-not-repeat"}')
    call.vox.send_line(b'{"do-not-repeat": ')
    call.vox.send(probe("p"))
    call.wait_for("tts_playback_state", since=since)
    errors = call.told(since)[:-1]
    assert [error.keys() for error in errors] == [{"type", "code", "message"}] * 2
    assert "do-not-repeat" not in json.dumps(errors)


def filled(size):
    """Return a valid command of exactly `size` bytes, whose unknown field fills it."""
    empty = line(type="music_play", musicId="m", url="", pad="")
    return empty[:-2] + b"x" * (size - len(empty)) + empty[-2:]


def test_a_line_of_8_mib_is_accepted_and_one_byte_more_is_too_large():
    events = run(filled(CAP), filled(CAP + 1), line(**probe("p"))).events
    assert [event.get("code") or event["playbackId"] for event in events[1:]] == [
        "pipeline_failed",
        "input_too_large",
        "p",
    ]


def test_an_oversized_tail_at_the_end_of_input_is_too_large_as_well():
    events = run(line(**probe("p")), end=filled(CAP + 1)).events
    assert (probes_of(events), errors_of(events)) == (["p"], ["input_too_large"])


def test_an_oversized_line_is_thrown_away_as_it_comes():
    with VoxParent() as vox:
        vox.send(probe("before"))
        vox.wait_for("tts_playback_state", playbackId="before")
        resident = psutil.Process(vox.pid).memory_info().rss
        vox.send_line(b"x" * CAP * 32)
        vox.send(probe("behind"))
        vox.wait_for("tts_playback_state", playbackId="behind", timeout_s=20)
        assert psutil.Process(vox.pid).memory_info().rss - resident < 2 * CAP
        assert errors_of([event.body for event in vox.events]) == ["input_too_large"]


def test_300_bad_lines_in_one_write_get_300_errors_in_order():
    bad = list(INVALID_JSON.values())[:15] + list(INVALID_REQUEST.values())[:5]
    with VoxParent() as vox:
        vox.send_line(b"\n".join(bad * 15) + b"\n" + line(**probe("p")))
        vox.wait_for("tts_playback_state", timeout_s=20)
        answers = errors_of([event.body for event in vox.events])
    assert answers == (["invalid_json"] * 15 + ["invalid_request"] * 5) * 15


def test_blank_lines_are_no_commands_and_carriage_returns_are_blanks():
    assert run(b"", b"  ", b"\r", b"\t " + line(**probe("p")) + b" \r").events[1:] == [answer_of("p")]


def test_unknown_fields_are_ignored_wherever_they_stand():
    state = {"session_id": "s", "member": {"roles": ["1"], "nick": None}, "suppress": False, "x": [[[]]]}
    events = run(
        line(type="voice_state", data=state, shard=[0, 1]),
        line(type="voice_server", data={"endpoint": None, "token": "t", "guild_id": "1", "region": "x"}),
        line(type="join", guildId="10", channelId="20", connectionId="c", video=True),
        line(**probe("p"), future={"a": 1}),
    ).events
    assert [event["type"] for event in events[:3]] == ["process_ready", "adapter_send", "tts_playback_state"]
    assert not errors_of(events)


def test_null_means_absent_and_integral_floats_are_integers(vox):
    audio = base64.b64encode(bytes(960)).decode()
    vox.send({"type": "join", "connectionId": None, "guildId": "10", "channelId": "20", "selfMute": None})
    vox.send({"type": "audio", "playbackId": None, "pcmBase64": audio, "sampleRate": 24_000.0})
    vox.send({"type": "subscribe_user", "userId": "1", "captureId": None, "silenceDurationMs": None})
    assert vox.wait_for("tts_playback_state", status="buffered").body == {
        "type": "tts_playback_state",
        "status": "buffered",
    }
    vox.send(probe("p"))
    vox.wait_for("tts_playback_state", playbackId="p")
    assert not vox.events_of("error")
