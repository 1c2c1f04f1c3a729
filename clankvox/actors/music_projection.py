"""What the parent is told of music: pure functions from reports to events, as projection has them for the rest."""

from typing import Final, assert_never

from clankvox.fsm.music import MusicState
from clankvox.ipc import dialects
from clankvox.ipc.events import Event, MusicError, MusicGainReached, PlaybackArmed
from clankvox.ipc.statuses import ArmedReason, MusicErrorCode, PlayerStatus
from clankvox.messages.router import (
    MusicGainReported,
    MusicPositionReported,
    MusicReplaced,
    MusicReported,
    MusicUnplayable,
)

MusicReport = MusicReported | MusicReplaced | MusicUnplayable | MusicGainReported | MusicPositionReported

SHOWN: Final = {
    MusicState.IDLE: PlayerStatus.IDLE,
    MusicState.LOADING: PlayerStatus.LOADING,
    MusicState.WAITING: PlayerStatus.LOADING,
    MusicState.PLAYING: PlayerStatus.PLAYING,
    MusicState.FINISHING: PlayerStatus.PLAYING,
    MusicState.STOPPING: PlayerStatus.PLAYING,
    MusicState.STOPPING_FINISHING: PlayerStatus.PLAYING,
    MusicState.PAUSED_LOADING: PlayerStatus.PAUSED,
    MusicState.PAUSED_UNHEARD: PlayerStatus.PAUSED,
    MusicState.PAUSED: PlayerStatus.PAUSED,
    MusicState.PAUSED_FINISHING: PlayerStatus.PAUSED,
    MusicState.PAUSED_BROKEN: PlayerStatus.PAUSED,
    MusicState.REOPENING: PlayerStatus.PLAYING,
}
"""`player_state` in every state of the machine."""

_CODES: Final = frozenset(MusicErrorCode)
_ARMED: Final = {"music_stop": ArmedReason.MUSIC_STOP, "stop_playback": ArmedReason.STOP_PLAYBACK}
"""A stop that the parent asked for arms the mixer; the end of the call does not."""


def events_of(report: MusicReport, *, transport_ready: bool) -> list[Event]:
    """Return what the parent sees of `report`; `armed` and `gain_reached` only while voice is connected."""
    match report:
        case MusicReported():
            return _music(report, transport_ready=transport_ready)
        case MusicReplaced(music_id=music_id, played_ms=played_ms):
            return dialects.music_replaced(music_id, played_ms)
        case MusicUnplayable(music_id=music_id):
            return dialects.music_unplayable(music_id)
        case MusicGainReported(music_id=music_id, gain=gain):
            return [MusicGainReached(music_id=music_id, gain=gain)] if transport_ready else []
        case MusicPositionReported(music_id=music_id, played_ms=played_ms):
            return dialects.music_position(music_id, played_ms)
        case _:
            assert_never(report)


def _music(report: MusicReported, *, transport_ready: bool) -> list[Event]:
    """Project a transition of the music machine."""
    music_id, played_ms = report.music_id, report.played_ms
    state = dialects.player_state(SHOWN[report.now], music_id, played_ms)
    ended = [*state, *dialects.music_idle(music_id, played_ms)]
    match report.event:
        case "play_requested" | "resume_requested" | "source_started" | "admitted":
            return state
        case "pause_requested":
            return [*state, *_armed(ArmedReason.MUSIC_PAUSE, transport_ready=transport_ready)]
        case "all_played":
            return [*ended, *_armed(ArmedReason.MUSIC_IDLE, transport_ready=transport_ready)]
        case "source_failed":
            code = MusicErrorCode(report.code) if report.code in _CODES else MusicErrorCode.PIPELINE_FAILED
            error = MusicError(music_id=music_id, code=code, message=report.detail)
            return [error, *state, *_armed(ArmedReason.MUSIC_ERROR, transport_ready=transport_ready)]
        case "stopped":
            armed = _armed(_ARMED.get(report.reason), transport_ready=transport_ready)
            return [*(state if report.was is MusicState.IDLE else ended), *armed]
        case _:
            return []


def _armed(reason: ArmedReason | None, *, transport_ready: bool) -> list[Event]:
    return [PlaybackArmed(reason=reason)] if reason is not None and transport_ready else []
