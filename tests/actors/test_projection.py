"""What the parent is told is a function of states: total, and one function a machine."""

from itertools import product

import msgspec
import pytest

from clankvox.actors.projection import DAVE_SHOWN, connection_events, dave_events, events_of, stream_statistics
from clankvox.fsm import ConnectionMachine
from clankvox.fsm.connection import ConnectionState
from clankvox.fsm.dave import DaveState
from clankvox.ids import Role, Ssrc
from clankvox.ipc.events import encode_event
from clankvox.ipc.statuses import DaveStatus
from clankvox.ledger import Fate, StreamLedger
from clankvox.media.receive import StreamReport
from clankvox.media.segment import Segment
from clankvox.messages.router import (
    AdapterSendRequested,
    BufferDepthReported,
    CaptureEnded,
    ConnectionReported,
    DaveReported,
    MemberLeft,
    MusicReplaced,
    RequestRefused,
    RuntimeFailed,
    SpeakingReported,
    TtsChunkRefused,
    TtsOverflowed,
    TtsPositionReported,
    TtsReported,
)

V = {"role": Role.VOICE, "connection_id": "c1"}

SEGMENT = Segment(48_024, 96_048, 700, 9_000, -20.04)


def wire(events):
    return [encode_event(event).decode() for event in events]


def dave(was, now, **more):
    return wire(dave_events(DaveReported(**V, was=was, now=now, version=1, **more)))


def test_every_dave_state_has_a_status():
    assert set(DAVE_SHOWN) == set(DaveState)


@pytest.mark.parametrize(("was", "now"), list(product(DaveState, DaveState)))
def test_only_a_change_of_what_is_shown_is_told(was, now):
    assert len(dave(was, now)) == (DAVE_SHOWN[was] is not DAVE_SHOWN[now])


def test_a_reset_is_told_also_when_nothing_changed():
    assert dave(DaveState.INACTIVE, DaveState.INACTIVE, reset=True) == [
        '{"type":"dave_state","role":"voice","connectionId":"c1","status":"cleared"}'
    ]


def test_ready_is_shown_in_exactly_the_states_in_which_nothing_can_leave_in_clear():
    shown = {state for state, status in DAVE_SHOWN.items() if status is DaveStatus.READY}
    assert shown == {DaveState.ALONE, DaveState.REKEYING, DaveState.ESTABLISHED, DaveState.SWITCHING}


@pytest.mark.parametrize("event", sorted(str(event.id) for event in ConnectionMachine.events))
def test_a_connection_event_shows_what_the_contract_names_and_nothing_else(event):
    report = ConnectionReported(**V, event=event, was=ConnectionState.READY, now=ConnectionState.READY, reason="r")
    kinds = [type(shown).__name__ for shown in connection_events(report)]
    expected = {
        "session_ready": ["ConnectionState", "TransportState", "Ready", "PlaybackArmed"],
        "connection_lost": ["ConnectionState", "TransportState"],
        "resume_failed": ["ConnectionState", "TransportState"],
        "session_resumed": ["ConnectionState", "TransportState"],
        "gave_up": ["ErrorEvent", "ConnectionState", "TransportState"],
        "left": ["ConnectionState", "TransportState"],
    }
    assert kinds == expected.get(event, [])


REPORTS = [
    (AdapterSendRequested(guild_id=1, channel_id=None, self_mute=True), ["adapter_send"]),
    (TtsReported(playback_id="p", status="started"), ["tts_playback_state"]),
    (TtsReported(playback_id=None, status="started"), []),
    (TtsPositionReported(playback_id="p", played_ms=1_000), ["playback_position"]),
    (TtsChunkRefused(playback_id=None, reason="empty_pcm"), []),
    (
        TtsOverflowed(playback_id="p", dropped_samples=1, buffer_samples=2),
        ["tts_buffer_overflow", "tts_playback_state"],
    ),
    (BufferDepthReported(tts_samples=1, music_samples=2), ["buffer_depth"]),
    (MusicReplaced(music_id="m", played_ms=1), ["music_idle"]),
    (RequestRefused(message="no"), ["error"]),
    (RuntimeFailed(**V, message="no"), ["error"]),
    (SpeakingReported(user_id=42, capture_id=None, speaking=True), ["speaking_start"]),
    (SpeakingReported(user_id=42, capture_id="k", speaking=False), ["speaking_end"]),
    (CaptureEnded(user_id=42, capture_id=None), ["user_audio_end"]),
    (CaptureEnded(user_id=42, capture_id="k", segment=SEGMENT), ["segment", "user_audio_end"]),
    (MemberLeft(user_id=42), ["client_disconnect"]),
]


@pytest.mark.parametrize(("report", "tags"), REPORTS, ids=lambda value: type(value).__name__)
def test_every_report_has_its_events(report, tags):
    assert [line.split('"')[3] for line in wire(events_of(report))] == tags


def test_no_event_holds_a_null_but_the_channel_of_op_4():
    for report, _ in REPORTS[1:]:
        assert "null" not in "".join(wire(events_of(report)))


def test_the_end_of_an_utterance_says_when_it_was_if_its_capture_asked_for_its_timeline():
    told = [
        wire(events_of(CaptureEnded(user_id=42, capture_id=None, segment=segment, timeline=timeline)))[-1]
        for segment, timeline in ((SEGMENT, True), (SEGMENT, False), (None, True))
    ]
    plain = '{"type":"user_audio_end","userId":"42"}'
    assert told == ['{"type":"user_audio_end","userId":"42","startMs":1000.5,"endMs":2001.0}', plain, plain]


def test_a_segment_is_told_in_milliseconds_of_the_timeline():
    segment, _ = wire(events_of(CaptureEnded(user_id=42, capture_id="k", segment=SEGMENT)))
    assert segment == (
        '{"type":"segment","userId":"42","captureId":"k","startMs":1000.5,"endMs":2001.0,'
        '"speechMs":700,"peak":9000,"meanLevelDbfs":-20.0}'
    )


def test_what_is_told_of_a_stream_sums_up():
    ledger = StreamLedger(Ssrc(7))
    ledger.arrived = 9
    for number, fate in enumerate((Fate.DECODED, Fate.LATE, Fate.AEAD_FAILED), 1):
        ledger.settle(fate, number)
    ledger.settle_missing(Fate.CONCEALED, 2)
    ledger.late_after_missing = 2
    (event,) = stream_statistics(Role.VOICE, [StreamReport(42, ledger, pending=3)])
    fates = msgspec.structs.asdict(event.fates)
    assert event.arrived + event.missing == sum(fates.values()) + event.pending == 11
    assert event.expected == 9
    assert set(fates) == set(Fate)
