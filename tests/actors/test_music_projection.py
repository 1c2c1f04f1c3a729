"""What the parent is told of music: a function of the machine's states. Which client sees which form: ipc.dialects."""

from itertools import product

import pytest

from clankvox.actors.music_projection import SHOWN, events_of
from clankvox.fsm import MusicMachine
from clankvox.fsm.music import MusicState
from clankvox.ipc.events import encode_event
from clankvox.ipc.statuses import MusicErrorCode, PlayerStatus
from clankvox.messages.router import (
    MusicGainReported,
    MusicPositionReported,
    MusicReplaced,
    MusicReported,
    MusicUnplayable,
)

EVENTS = sorted(str(event.id) for event in MusicMachine.events)
TOLD = {
    "play_requested": ["PlayerState"],
    "pause_requested": ["PlayerState", "PlaybackArmed"],
    "resume_requested": ["PlayerState"],
    "source_started": ["PlayerState"],
    "admitted": ["PlayerState"],
    "source_failed": ["MusicError", "PlayerState", "PlaybackArmed"],
    "all_played": ["PlayerState", "MusicIdle", "PlaybackArmed"],
    "stopped": ["PlayerState", "MusicIdle", "PlaybackArmed"],
}
"""What the contract names for each event of the machine; the others are nobody's business."""


def told(report, *, ready=True):
    return [type(event).__name__ for event in events_of(report, transport_ready=ready)]


def reported(event="stopped", now=MusicState.IDLE, **more):
    fields = {"music_id": "m1", "was": MusicState.PLAYING, "reason": "music_stop", **more}
    return MusicReported(event=event, now=now, **fields)


def test_every_state_is_shown_as_something():
    assert set(SHOWN) == set(MusicState)
    assert {state for state in MusicState if SHOWN[state] is PlayerStatus.IDLE} == {MusicState.IDLE}


@pytest.mark.parametrize(("event", "ready"), list(product(EVENTS, [True, False])))
def test_an_event_shows_what_the_contract_names_and_arms_only_with_a_transport(event, ready):
    expected = TOLD.get(event, [])
    assert told(reported(event), ready=ready) == [name for name in expected if ready or name != "PlaybackArmed"]


@pytest.mark.parametrize(
    ("reason", "armed"), [("music_stop", "music_stop"), ("stop_playback", "stop_playback"), ("explicit_leave", None)]
)
def test_only_a_stop_that_the_parent_asked_for_arms(reason, armed):
    last = events_of(reported(reason=reason), transport_ready=True)[-1]
    assert getattr(last, "reason", None) == armed


def test_a_stop_without_music_ends_none():
    assert told(reported(was=MusicState.IDLE)) == ["PlayerState", "PlaybackArmed"]


@pytest.mark.parametrize("code", [*MusicErrorCode, "meteor"])
def test_every_code_is_one_that_parents_know(code):
    error = events_of(reported("source_failed", code=code, detail="what"), transport_ready=True)[0]
    known = code if code in set(MusicErrorCode) else "pipeline_failed"
    assert encode_event(error) == f'{{"type":"music_error","musicId":"m1","code":"{known}","message":"what"}}'.encode()


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (MusicReplaced(music_id="m1", played_ms=1), ["MusicIdle"]),
        (MusicReplaced(music_id=None, played_ms=1), []),
        (MusicUnplayable(music_id=None), ["MusicError"]),
        (MusicGainReported(music_id=None, gain=0.5), ["MusicGainReached"]),
        (MusicPositionReported(music_id="m1", played_ms=1), ["PlaybackPosition"]),
        (MusicPositionReported(music_id=None, played_ms=1), []),
    ],
)
def test_every_report_has_its_events(report, expected):
    assert told(report) == expected


def test_no_gain_is_reached_without_a_transport():
    assert told(MusicGainReported(music_id="m1", gain=0.5), ready=False) == []
