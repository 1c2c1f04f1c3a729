"""What the router says, as the parent reads it."""

import json

import pytest

from clankvox.actors.announcer import announce
from clankvox.audio_lane import News
from clankvox.ids import Role, UserId
from clankvox.ipc import framing
from clankvox.ipc.events import (
    BufferDepth,
    DaveState,
    ErrorEvent,
    MusicError,
    Ready,
    Segment,
    SpeakingEnd,
    SpeakingStart,
    TransportState,
    UserAudioEnd,
)
from clankvox.ipc.statuses import DaveStatus, MusicErrorCode, TransportStatus
from clankvox.outbox import Outbox

USER, OTHER = UserId(42), UserId(43)
SEGMENT = Segment(user_id=USER, start_ms=1.0, end_ms=2.0, speech_ms=1, peak=3, mean_level_dbfs=-20.0)


def taken(outbox):
    frames = iter(lambda: outbox.take(0.0), None)
    return [json.loads(frame[5:])["type"] if frame[0] == 0 else "pcm" for frame in frames]


def pcm(outbox, user=USER):
    outbox.put_audio(user, framing.frame_user_audio(user, None, bytes(4), 0, 0, 2), 20, user)


@pytest.mark.parametrize(
    ("news", "events", "names"),
    [
        (News.SPEECH_BEGAN, [SpeakingStart(user_id=USER)], ["speaking_start"]),
        (News.UTTERANCE_ENDED, [SEGMENT, UserAudioEnd(user_id=USER)], ["segment", "user_audio_end"]),
    ],
)
def test_pcm_that_waited_for_news_comes_behind_them(news, events, names):
    outbox = Outbox()
    outbox.hold_audio(USER, news)
    pcm(outbox)
    announce(outbox, [SpeakingEnd(user_id=USER), SpeakingStart(user_id=OTHER), UserAudioEnd(user_id=OTHER)])
    assert "pcm" not in taken(outbox)
    announce(outbox, events)
    assert taken(outbox) == [*names, "pcm"]


@pytest.mark.parametrize(
    ("news", "names"),
    [
        (News.SPEECH_BEGAN, ["speaking_start", "pcm", "user_audio_end"]),
        (News.UTTERANCE_ENDED, ["speaking_start", "user_audio_end", "pcm"]),
    ],
)
def test_the_end_of_a_streams_sound_is_no_news_of_what_its_sender_says_in_the_call(news, names):
    outbox = Outbox()
    outbox.hold_audio(USER, news)
    pcm(outbox)
    of_stream = {"role": Role.STREAM_WATCH, "user_id": USER}
    more = {"start_ms": 1.0, "end_ms": 2.0, "speech_ms": 1, "peak": 3, "mean_level_dbfs": -20.0}
    announce(outbox, [Segment(**of_stream, **more), UserAudioEnd(**of_stream)])
    assert taken(outbox) == ["segment", "user_audio_end"]
    announce(outbox, [SpeakingStart(user_id=USER), UserAudioEnd(user_id=USER)])
    assert taken(outbox) == names


def test_news_that_the_full_lane_dropped_hold_nothing_back():
    outbox = Outbox()
    while outbox.put_control(bytes(8 * 1024 * 1024)):
        pass
    outbox.hold_audio(USER, News.SPEECH_BEGAN)
    announce(outbox, [SpeakingStart(user_id=USER)] * 200_000)
    pcm(outbox)
    assert outbox.counters().control_dropped_full > 0
    assert outbox.counters().audio_depth == 1
    while (frame := outbox.take(0.0)) is not None and frame[0] == 0:
        pass
    assert frame[0] == 1


def test_telemetry_replaces_its_predecessor_where_control_is_full():
    outbox = Outbox()
    announce(outbox, [SpeakingEnd(user_id=USER)] * 4_096)
    announce(outbox, [BufferDepth(tts_samples=1, music_samples=0)] * 3)
    assert outbox.counters().control_dropped_telemetry == 3


def test_an_event_that_fits_no_frame_is_left_out(monkeypatch):
    monkeypatch.setattr(framing, "FRAME_END_BYTES", 60)
    outbox = Outbox()
    announce(outbox, [SEGMENT, SpeakingEnd(user_id=USER)])
    assert taken(outbox) == ["speaking_end"]


def test_turns_of_a_call_are_logged_by_the_names_that_dashboards_look_for_and_without_free_text(caplog):
    caplog.set_level("INFO", "clankvox.router")
    announce(Outbox(), [Ready(), ErrorEvent(code="invalid_json", message="what was given"), SpeakingEnd(user_id=USER)])
    announce(Outbox(), [DaveState(role=Role.VOICE, status=DaveStatus.READY, protocol_version=1)])
    assert [(record.message, record.fields) for record in caplog.records] == [
        ("voice ready", {}),
        ("error", {"code": "invalid_json"}),
        ("dave state", {"role": "voice", "status": "ready", "protocol_version": 1}),
    ]


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (ErrorEvent(code="voice_runtime_error", message="over", role=Role.VOICE), "ERROR"),
        (ErrorEvent(code="invalid_json", message="what was given"), "WARNING"),
        (MusicError(music_id="m1", code=MusicErrorCode.HTTP_403, message="no"), "WARNING"),
        (TransportState(role=Role.STREAM_WATCH, status=TransportStatus.FAILED, reason="connection failed"), "WARNING"),
        (DaveState(role=Role.VOICE, status=DaveStatus.DISABLED, protocol_version=0), "WARNING"),
        (TransportState(role=Role.VOICE, status=TransportStatus.DISCONNECTED, reason="explicit_leave"), "INFO"),
    ],
)
def test_who_logs_warnings_only_sees_what_went_wrong(event, level, caplog):
    caplog.set_level("INFO", "clankvox.router")
    announce(Outbox(), [event])
    assert [record.levelname for record in caplog.records] == [level]
