import json

import pytest

from clankvox.errors import InputTooLarge, InvalidJson, InvalidRequest
from clankvox.ids import CaptureId, ConnectionId, MusicId, PlaybackId, Role, UserId
from clankvox.ipc import dialects
from clankvox.ipc.events import encode_event
from clankvox.ipc.statuses import (
    ConnectionStatus,
    DaveStatus,
    ErrorCode,
    PlayerStatus,
    TransportStatus,
    TtsReason,
    TtsStatus,
)

C1 = ConnectionId("c1")
K1 = CaptureId("k1")
M1 = MusicId("m1")
P1 = PlaybackId("p1")
USER = UserId(42)


def shown(events):
    """What a parent sees, without the tag that all have in common."""
    return [{key: value for key, value in json.loads(encode_event(event)).items() if key != "type"} for event in events]


def tags(events):
    return [json.loads(encode_event(event))["type"] for event in events]


@pytest.mark.parametrize("status", ["buffered", "started", "drained", "stopped", "failed"])
def test_a_playback_with_id_shows_all_five_statuses_and_its_reason(status):
    (event,) = shown(dialects.tts_status(P1, TtsStatus(status), "why"))
    assert event == {"playbackId": "p1", "status": status, "reason": "why"}


@pytest.mark.parametrize(
    ("status", "seen"),
    [
        ("buffered", ["buffered"]),
        ("started", []),
        ("drained", ["idle"]),
        ("stopped", ["idle"]),
        ("failed", ["idle"]),
        ("idle", ["idle"]),
    ],
)
def test_a_playback_without_id_shows_buffered_and_idle_only(status, seen):
    assert shown(dialects.tts_status(None, TtsStatus(status), "why")) == [{"status": word} for word in seen]


def test_a_refused_chunk_fails_a_playback_with_id_and_is_silent_without():
    assert shown(dialects.chunk_refused(P1, TtsReason.STALE_PLAYBACK_ID)) == [
        {"playbackId": "p1", "status": "failed", "reason": "stale_playback_id"}
    ]
    assert dialects.chunk_refused(None, TtsReason.INVALID_PCM_BASE64) == []


def test_a_wrong_rate_is_an_error_first_and_then_a_failure():
    events = dialects.chunk_refused(P1, TtsReason.INVALID_SAMPLE_RATE)
    assert tags(events) == ["error", "tts_playback_state"]
    error, failed = shown(events)
    assert error["code"] == "invalid_request"
    assert failed["reason"] == "invalid_sample_rate"
    assert dialects.chunk_refused(None, TtsReason.INVALID_SAMPLE_RATE) == []


def test_an_overflow_is_told_to_all_and_fails_a_playback_with_id():
    numbers = {"droppedSamples": 960, "droppedMs": 20, "bufferSamples": 720_960, "bufferMs": 15_020}
    assert shown(dialects.tts_overflow(None, 960, 720_960)) == [numbers]
    with_id = dialects.tts_overflow(P1, 960, 720_960)
    assert tags(with_id) == ["tts_buffer_overflow", "tts_playback_state"]
    assert shown(with_id) == [
        {"playbackId": "p1", **numbers},
        {"playbackId": "p1", "status": "failed", "reason": "tts_buffer_overflow"},
    ]


@pytest.mark.parametrize("role", Role)
def test_only_the_voice_role_echoes_the_connection_id(role):
    echo = {"connectionId": "c1"} if role is Role.VOICE else {}
    assert shown(dialects.transport_state(role, C1, TransportStatus.READY)) == [
        {"role": role, "status": "ready", **echo}
    ]
    assert shown(dialects.dave_state(role, C1, DaveStatus.READY, 1)) == [
        {"role": role, "status": "ready", "protocolVersion": 1, **echo}
    ]
    assert shown(dialects.transport_error(role, C1, ErrorCode.VOICE_RUNTIME_ERROR, "m")) == [
        {"code": "voice_runtime_error", "message": "m", "role": role, **echo}
    ]


def test_without_a_connection_id_none_is_shown():
    assert shown(dialects.connection_state(None, ConnectionStatus.READY)) == [{"status": "ready"}]
    assert shown(dialects.connection_state(C1, ConnectionStatus.READY)) == [{"status": "ready", "connectionId": "c1"}]
    assert shown(dialects.transport_state(Role.VOICE, None, TransportStatus.DISCONNECTED, "leave")) == [
        {"role": "voice", "status": "disconnected", "reason": "leave"}
    ]


def test_only_cleared_has_no_version_and_disabled_has_0():
    assert "protocolVersion" not in shown(dialects.dave_state(Role.VOICE, C1, DaveStatus.CLEARED, 1))[0]
    assert shown(dialects.dave_state(Role.VOICE, C1, DaveStatus.DISABLED))[0]["protocolVersion"] == 0


@pytest.mark.parametrize("error", [InvalidJson, InvalidRequest, InputTooLarge])
def test_a_rejected_line_has_neither_role_nor_connection(error):
    assert shown(dialects.request_error(error("m"))) == [{"code": error.code, "message": "m"}]


def test_what_only_a_connection_without_id_wants():
    for wants in (dialects.wants_legacy_log, dialects.wants_video_state):
        assert wants(None)
        assert not wants(C1)


def test_what_only_a_connection_with_id_wants():
    for wants in (dialects.decodes_vp8,):
        assert wants(C1)
        assert not wants(None)


def test_the_end_of_a_capture_carries_its_id_if_it_has_one():
    assert shown(dialects.capture_end(Role.VOICE, USER, K1)) == [{"userId": "42", "captureId": "k1"}]
    assert shown(dialects.capture_end(Role.VOICE, USER, None)) == [{"userId": "42"}]


def test_a_track_with_id_shows_loading_and_its_end_when_replaced():
    assert shown(dialects.music_loading(M1)) == [{"status": "loading", "musicId": "m1"}]
    assert shown(dialects.music_replaced(M1, 20)) == [{"musicId": "m1", "playedMs": 20}]
    assert dialects.music_loading(None) == dialects.music_replaced(None, 20) == []


@pytest.mark.parametrize(
    ("status", "with_id", "without"),
    [
        (PlayerStatus.LOADING, [{"status": "loading", "musicId": "m1"}], []),
        (PlayerStatus.PLAYING, [{"status": "playing", "musicId": "m1"}], [{"status": "playing"}]),
        (PlayerStatus.PAUSED, [{"status": "paused", "musicId": "m1", "playedMs": 20}], [{"status": "paused"}]),
        (PlayerStatus.IDLE, [{"status": "idle", "musicId": "m1", "playedMs": 20}], [{"status": "idle"}]),
    ],
)
def test_a_track_with_id_says_how_much_was_heard_when_it_is_held_or_over(status, with_id, without):
    assert shown(dialects.player_state(status, M1, 20)) == with_id
    assert shown(dialects.player_state(status, None, 20)) == without


def test_the_end_and_the_progress_of_a_track_have_a_position_with_an_id_only():
    assert shown(dialects.music_idle(M1, 20)) == [{"musicId": "m1", "playedMs": 20}]
    assert shown(dialects.music_idle(None, 20)) == [{}]
    assert shown(dialects.music_position(M1, 20)) == [{"musicId": "m1", "playedMs": 20}]
    assert dialects.music_position(None, 20) == []


def test_a_track_without_id_waits_for_the_announcement():
    assert dialects.music_waits_for_tts(None)
    assert not dialects.music_waits_for_tts(M1)


@pytest.mark.parametrize(("music_id", "echo"), [(None, {}), (M1, {"musicId": "m1"}), (MusicId(""), {})])
def test_an_unplayable_track_is_a_music_error_with_a_code(music_id, echo):
    (event,) = shown(dialects.music_unplayable(music_id))
    assert event.pop("message")
    assert event == {"code": "pipeline_failed", **echo}


@pytest.mark.parametrize(
    ("check", "bad"),
    [
        (dialects.check_connection_id, ["", " "]),
        (dialects.check_playback_id, [""]),
        (dialects.check_capture_id, ["", "k" * 65_536]),
    ],
)
def test_an_absent_id_is_fine_and_a_blank_one_is_not(check, bad):
    check(None)
    check("x")
    for value in bad:
        with pytest.raises(InvalidRequest):
            check(value)
