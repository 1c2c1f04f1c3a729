"""Actors that fail in the real process, in a call in which everything runs: who goes on, and what the parent hears."""

import json
import os
import signal

import pytest

from clankvox.demo.parent import VoxParent
from clankvox.errors import ExitCode
from clankvox.ipc.events import ActorView
from tests.support.crashing_vox import COMMAND, SECRET, fail
from tests.support.full_call import FullCall, serve_media
from tests.support.media_server import MediaServer
from tests.support.process_call import DEADLINE_S, check_nothing_leaked, chirp, eventually

RECONNECTING = ["connection_state reconnecting", "transport_state reconnecting internal_error", "adapter_send"]
READY = [
    "connection_state ready",
    "transport_state ready",
    "ready",
    "playback_armed connection_ready",
    "dave_state ready",
]
STREAM_READY = ["transport_state connecting", "transport_state ready", "dave_state ready"]
SHOWN = ["transport_state connecting", "transport_state ready", "transport_state playing", "dave_state ready"]
NEGOTIATING = "dave_state negotiating"
STREAMS = ("stream_watch", "stream_publish")
STARTED = "stream_publish_media_started"
OF_A_ROLE = '"counters of a role", "fields": {"role": "stream_watch"'
ENDED = [
    "adapter_send",
    "connection_state disconnected",
    "dave_state cleared",
    "music_error pipeline_failed m1",
    "playback_armed music_error",
    "player_state m1 idle",
    "user_audio_end",
]


@pytest.fixture(scope="module")
def full(discord, trust):
    with MediaServer() as media:
        serve_media(media)
        with VoxParent(env=trust, command=COMMAND, args=("--allow-private-hosts", "--log-level", "debug")) as vox:
            full = FullCall(vox, discord, media)
            full.enter()
            yield full
            full.leave()
        check_nothing_leaked(vox)
        assert not [text for text in vox.stderr_lines if SECRET in text or "key=secret" in text]
        assert not [event for event in vox.events if SECRET in str(event.body)]
        assert vox.exit_code == ExitCode.DONE


def told(full, role, since):
    """What was told of a role; that encryption begins anew may be told at any point of a reconnection."""
    return [line for line in full.told_of(role, since) if line != NEGOTIATING]


def failures(full, kind):
    """How many actors of a kind have failed so far, as `inspect` tells and counters do."""
    since = full.vox.mark()
    full.vox.send({"type": "inspect"})
    told = full.call.wait_for("inspect", since=since).body
    assert told["restarts"] == told["counters"]["restarts"]
    return told["restarts"][kind]


def test_an_operator_sees_stacks_and_actors_under_load_and_the_parent_sees_nothing_of_it(full):
    since = full.vox.mark()
    shown = eventually(lambda: inspected(full.vox), "an answer of everybody")
    lines = full.vox.stderr_lines
    stacks = [line for line in lines if line.endswith("(most recent call first):")]
    assert len(stacks) >= 10
    assert any(line.startswith("Thread pacer ") for line in stacks)
    eventually(lambda: any(OF_A_ROLE in line for line in full.vox.stderr_lines), "what a role counted")
    kinds = {(actor["kind"], actor["role"]) for actor in shown["actors"]}
    assert {("connection", role) for role in ("voice", *STREAMS)} <= kinds
    assert {("playback", "voice"), ("music", "voice"), ("capture", "voice"), ("publish", "stream_publish")} <= kinds
    assert [
        name for actor in shown["actors"] for name in actor["details"] if f"`{name}`" not in ActorView.__doc__
    ] == []
    full.goes_on()
    assert not [entry for entry in full.vox.entries[since:] if getattr(entry, "type", "") == "inspect"]


def inspected(vox):
    """What all actors say of themselves when they are asked; None if one had no time for it within its 100 ms."""
    known = len(inspections(vox))
    os.kill(vox.pid, signal.SIGUSR1)
    eventually(lambda: len(inspections(vox)) > known, "the actors on stderr")
    shown = json.loads(inspections(vox)[known])
    return None if shown["silent"] else shown


def inspections(vox):
    return [line for line in vox.stderr_lines if line.startswith('{"type":"inspect"')]


@pytest.mark.parametrize("kind", ["connection", "dave"])
def test_a_failure_of_the_calls_link_is_a_reconnection_in_which_speech_waits_and_no_stream_notices(full, kind):
    call, name = full.call, f"through {kind}"
    call.say(chirp(1.5), name, 48_000)
    call.wait_said(name, "started")
    ssrc, since = call.seen()["ssrc"], full.vox.mark()
    with full.unnoticed_by(*STREAMS):
        full.vox.send(fail(kind))
        call.wait_ready(since)
        call.wait_said(name)
    assert told(full, "voice", since) == [*RECONNECTING, *READY, f"tts_playback_state {name} drained"]
    assert call.seen()["ssrc"] != ssrc, "another session, and so another key"
    full.goes_on("sent", "heard")
    assert failures(full, kind) == 1


def test_who_speaks_plays_and_listens_fails_alone(full):
    call = full.call
    call.say(chirp(5.0), "lost", 48_000)
    call.wait_said("lost", "started")
    since = full.vox.mark()
    with full.unnoticed_by(*STREAMS):
        for kind, user in (("playback", ""), ("music", ""), ("capture", full.speaker)):
            full.vox.send(fail(kind, user_id=user))
        call.wait_for("user_audio_end", since=since, userId=full.speaker)
        call.wait_said("lost", "failed")
        full.goes_on("sent", "heard")
        call.say(chirp(0.3), "found", 48_000)
        call.wait_said("found")
    said = told(full, "voice", since)
    assert sorted(said[:2]) == ["tts_playback_state lost failed internal_error", "user_audio_end"]
    assert said[2:] == [f"tts_playback_state found {status}" for status in ("buffered", "started", "drained")]
    assert {failures(full, kind) for kind in ("playback", "music", "capture")} == {1}


@pytest.mark.parametrize(
    ("role", "kind", "expected"),
    [
        ("stream_watch", "video", []),
        ("stream_watch", "connection", STREAM_READY),
        ("stream_watch", "dave", STREAM_READY),
        ("stream_publish", "publish", ["transport_state playing", STARTED]),
        ("stream_publish", "connection", [*SHOWN, STARTED]),
        ("stream_publish", "dave", [*SHOWN, STARTED]),
    ],
)
def test_what_fails_on_a_stream_comes_back_and_neither_the_call_nor_the_other_stream_notices(
    full, role, kind, expected
):
    flow = "seen" if role == "stream_watch" else "shown"
    since = full.vox.mark()
    with full.unnoticed_by("voice", *(other for other in STREAMS if other != role)):
        full.vox.send(fail(kind, role))
        full.goes_on(flow)
        eventually(lambda: set(expected) <= set(told(full, role, since)), "all that has to be told")
    assert sorted(told(full, role, since)) == sorted(expected)


@pytest.mark.parametrize(
    ("role", "kind", "again", "ended"),
    [
        ("stream_watch", "video", "begin_watching", ["transport_state disconnected internal_error"]),
        ("stream_publish", "publish", "begin_publishing", ["transport_state disconnected internal_error"]),
    ],
)
def test_the_fourth_failure_in_ten_seconds_ends_the_stream_with_an_error_and_a_new_one_works(
    full, role, kind, again, ended
):
    since = full.vox.mark()
    with full.unnoticed_by("voice", *(other for other in STREAMS if other != role)):
        for _ in range(4):
            full.vox.send(fail(kind, role))
        full.call.wait_for("transport_state", since=since, role=role, status="disconnected")
    lines = told(full, role, since)
    assert lines.count("error voice_runtime_error") == 1
    assert lines[-1:] == ended
    getattr(full, again)()
    full.goes_on("seen" if role == "stream_watch" else "shown")


def test_the_fourth_failure_in_ten_seconds_ends_the_call_with_an_error_and_the_next_call_works(full):
    since = full.vox.mark()
    with full.unnoticed_by(*STREAMS):
        for _ in range(4):
            full.vox.send(fail("music"))
        full.call.wait_for("transport_state", since=since, role="voice", status="disconnected")
    lines = told(full, "voice", since)
    assert (lines[0], lines[-1]) == ("error voice_runtime_error", "transport_state disconnected internal_error")
    assert sorted(lines[1:-1]) == ENDED
    asked = [event.body["payload"]["d"]["channel_id"] for event in full.call.events_of("adapter_send")]
    assert asked[-1] is None, "the gateway is told that we left"
    since = full.vox.mark()
    full.call.join()
    full.call.credentials()
    full.call.wait_ready(since)
    full.call.say(chirp(0.3), "afterwards", 48_000)
    full.call.wait_said("afterwards")


def test_a_router_that_fails_ends_the_process_with_a_code_of_its_own(vox_that_fails):
    vox_that_fails.send(fail("router"))
    assert vox_that_fails.wait_exit(timeout_s=DEADLINE_S) == ExitCode.INTERNAL


@pytest.fixture
def vox_that_fails(trust):
    with VoxParent(env=trust, command=COMMAND) as vox:
        yield vox
