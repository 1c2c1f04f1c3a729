"""Every command of the contract is answered by a process that does nothing, and none of them ends it."""

import base64
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clankvox.demo.parent import VoxParent
from clankvox.ipc.commands import COMMANDS
from tests.support.process_call import bodies, eventually, line, probe, run

PCM = base64.b64encode(bytes(960)).decode()
STREAM = {
    "endpoint": "127.0.0.1:1",
    "token": "t",
    "serverId": "11",
    "sessionId": "s",
    "userId": "7",
    "daveChannelId": "10",
}
NOT_PUBLISHED = ("transport_state", "stream_publish", "failed")
WAITING = ("transport_state", "stream_publish", "waiting_for_transport")

FIELDS = {
    "join": {"connectionId": "c1", "guildId": "10", "channelId": "20"},
    "voice_server": {"data": {"endpoint": "127.0.0.1:1", "token": "t"}},
    "voice_state": {"data": {"session_id": "s", "user_id": "7", "channel_id": "20"}},
    "stream_watch_connect": STREAM,
    "stream_publish_connect": STREAM,
    "audio": {"playbackId": "p1", "pcmBase64": PCM},
    "finish_tts_playback": {"playbackId": "p1"},
    "stop_tts_playback": {"playbackId": "p1"},
    "subscribe_user": {"userId": "42", "captureId": "k1"},
    "unsubscribe_user": {"userId": "42"},
    "subscribe_user_video": {"userId": "42"},
    "unsubscribe_user_video": {"userId": "42"},
    "music_play": {"musicId": "m1", "url": "http://127.0.0.1:1/a.mp3", "resolvedDirectUrl": True},
    "music_stop": {"musicId": "m1"},
    "music_pause": {"musicId": "m1"},
    "music_resume": {"musicId": "m1"},
    "music_set_gain": {"musicId": "m1", "target": 0.5},
    "duck": {"target": 0.2},
    "stream_publish_play": {"url": "https://example.com/a.mp4"},
    "stream_publish_play_visualizer": {"url": "https://example.com/a.mp3"},
    "stream_publish_browser_start": {"mimeType": "image/png"},
    "stream_publish_browser_frame": {"mimeType": "image/png", "frameBase64": "AAAA"},
}
"""What each command must have; the others must have nothing."""

ANSWERS = {
    "join": [("adapter_send",), ("dave_state", "voice", "cleared")],  # the latter at the end of the process
    "leave": [],
    "voice_server": [],
    "voice_state": [],
    "destroy": [],
    "stream_watch_connect": [  # nobody listens at its endpoint
        ("transport_state", "stream_watch", "connecting"),
        ("error", "stream_watch_connect_failed"),
        ("transport_state", "stream_watch", "failed"),
    ],
    "stream_publish_connect": [
        ("transport_state", "stream_publish", "connecting"),
        ("error", "stream_publish_connect_failed"),
        NOT_PUBLISHED,
    ],
    "stream_watch_disconnect": [
        ("dave_state", "stream_watch", "cleared"),
        ("transport_state", "stream_watch", "disconnected"),
    ],
    "stream_publish_disconnect": [
        ("dave_state", "stream_publish", "cleared"),
        ("transport_state", "stream_publish", "disconnected"),
    ],
    "audio": [("tts_playback_state", "failed", "voice_transport_not_ready")],
    "finish_tts_playback": [("tts_playback_state", "failed", "stale_playback_id")],
    "stop_tts_playback": [("tts_playback_state", "failed", "stale_playback_id")],
    "stop_playback": [("player_state", "idle")],
    "subscribe_user": [],
    "unsubscribe_user": [],
    # a private address is refused; the others name a piece that is not the current one
    "music_play": [("player_state", "loading"), ("music_error", "no_audio"), ("player_state", "idle")],
    "music_stop": [],
    "music_pause": [],
    "music_resume": [],
    "music_set_gain": [],
    "duck": [],
    "subscribe_user_video": [],
    "unsubscribe_user_video": [],
    "stream_publish_play": [WAITING],
    "stream_publish_play_visualizer": [WAITING],
    "stream_publish_browser_start": [WAITING],
    "stream_publish_browser_frame": [NOT_PUBLISHED],  # no PNG
    "stream_publish_stop": [("transport_state", "stream_publish", "disconnected")],
    "stream_publish_pause": [],
    "stream_publish_resume": [],
    "inspect": [("inspect",)],
}
ENDING = ("destroy",)


def shown(event):
    """What matters of an event: its type, and of these fields those that it has."""
    fields = (
        ("role", "code", "status", "reason") if event["type"] == "tts_playback_state" else ("role", "code", "status")
    )
    if event["type"] == "error":
        fields = ("code",)
    return (event["type"], *(event[field] for field in fields if field in event))


def test_the_table_of_answers_is_the_registry():
    assert set(ANSWERS) == set(COMMANDS)


@pytest.fixture(scope="module")
def idle():
    """One process for all; each command is followed by a `leave`, so that it is idle again."""
    with VoxParent() as vox:
        yield vox
    assert vox.exit_code == 0


@pytest.mark.parametrize("tag", [tag for tag in COMMANDS if tag not in (*ENDING, "join")])
def test_each_command_is_answered_by_an_idle_process_as_the_contract_says(idle, tag):
    since = idle.mark()
    idle.send({"type": tag, **FIELDS.get(tag, {})})
    wanted = ANSWERS[tag]
    eventually(lambda: len(bodies(idle.entries[since:])) >= len(wanted), f"the answers to {tag}")
    idle.send(probe(f"behind {tag}"))
    idle.wait_for("tts_playback_state", playbackId=f"behind {tag}")
    assert [shown(event) for event in bodies(idle.entries[since:])[:-1]] == wanted


@pytest.mark.parametrize("tag", ["join", "destroy"])
def test_join_and_destroy_are_answered_by_an_idle_process_as_the_contract_says(tag):
    events = run(line(type=tag, **FIELDS.get(tag, {}))).events
    assert [shown(event) for event in events[1:]] == ANSWERS[tag]


# --- random sequences -------------------------------------------------------------------------------------------------

USERS = st.sampled_from(["42", "43"])
OPTIONAL = {
    "join": st.fixed_dictionaries(
        {"channelId": st.sampled_from(["20", "21"])},
        optional={"selfMute": st.booleans(), "connectionId": st.just("c2")},
    ),
    "leave": st.fixed_dictionaries({}, optional={"reason": st.text(max_size=5)}),
    "voice_server": st.builds(
        lambda endpoint, token: {"data": {"endpoint": endpoint, "token": token}},
        st.sampled_from([None, "127.0.0.1:1", "ws://127.0.0.1:9", "ws://192.0.2.1:1", "?"]),
        st.sampled_from([None, "t", "u"]),
    ),
    "voice_state": st.builds(
        lambda data: {"data": data},
        st.fixed_dictionaries(
            {},
            optional={
                "session_id": st.sampled_from([None, "s", "r"]),
                "user_id": st.sampled_from([None, "7", "8"]),
                "channel_id": st.sampled_from([None, "20", "21"]),
            },
        ),
    ),
    "audio": st.fixed_dictionaries(
        {"pcmBase64": st.binary(max_size=64).map(lambda pcm: base64.b64encode(pcm).decode())},
        optional={"playbackId": st.sampled_from(["p1", "p2"]), "sampleRate": st.integers(0, 96_000)},
    ),
    "subscribe_user": st.fixed_dictionaries(
        {"userId": USERS},
        optional={
            "captureId": st.sampled_from(["k1", "k2"]),
            "sampleRate": st.integers(0, 1 << 20),
            "silenceDurationMs": st.integers(0, 1 << 20),
        },
    ),
    "unsubscribe_user": st.fixed_dictionaries({"userId": USERS}),
    "music_set_gain": st.fixed_dictionaries({"target": st.floats(-2, 2)}),
}


@st.composite
def commands(draw):
    tag = draw(st.sampled_from([tag for tag in COMMANDS if tag not in ENDING]))
    return {"type": tag, **FIELDS.get(tag, {}), **draw(OPTIONAL.get(tag, st.just({})))}


NUMBERS = iter(range(1 << 30))


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(st.lists(commands(), min_size=1, max_size=12))
def test_no_sequence_of_valid_commands_ends_the_process_or_keeps_it_from_answering(idle, sequence):
    since = idle.mark()
    idle.send_line(b"\n".join(line(**command) for command in sequence))
    name = f"probe {next(NUMBERS)}"
    idle.send(probe(name))
    idle.wait_for("tts_playback_state", playbackId=name, since=since)
    assert idle.exit_code is None
    told = bodies(idle.entries[since:])
    faults = [event for event in told if event.get("message", "").startswith("internal")]
    assert not faults


TOLD = {"stream_watch_connect_failed", "stream_publish_connect_failed"}
"""What is logged as an error because the parent was told one: nobody listens at the endpoint of these orders."""


def test_the_process_of_the_random_sequences_has_logged_no_failure(idle):
    records = [json.loads(text) for text in idle.stderr_lines]  # a traceback outside of a record is a failure too
    errors = [record for record in records if record["level"] == "error" or "traceback" in record]
    assert not [record for record in errors if record.get("fields", {}).get("code") not in TOLD]
