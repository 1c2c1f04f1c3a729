"""Answers to commands of the contract whose actors do not exist yet: their own failure event, never silence."""

from clankvox.errors import InvalidRequest
from clankvox.ids import Role
from clankvox.ipc import commands, dialects
from clankvox.ipc.events import Event, MusicError, PlaybackArmed, PlayerState
from clankvox.ipc.statuses import ArmedReason, DaveStatus, ErrorCode, MusicErrorCode, PlayerStatus, TransportStatus

_MUSIC = (
    commands.MusicPlay,
    commands.MusicStop,
    commands.MusicPause,
    commands.MusicResume,
    commands.MusicSetGain,
)
_PUBLISH = (
    commands.StreamPublishPlay,
    commands.StreamPublishPlayVisualizer,
    commands.StreamPublishBrowserStart,
    commands.StreamPublishBrowserFrame,
    commands.StreamPublishStop,
    commands.StreamPublishPause,
    commands.StreamPublishResume,
)
_REASON = "not_available"


def refusal(command: commands.Command, *, transport_ready: bool) -> list[Event]:
    """Return the failure events of `command`, in the contract's order."""
    match command:
        case commands.MusicPlay() if not command.is_playable:
            return dialects.music_unplayable(command.music_id)
        case _ if isinstance(command, _MUSIC):
            return _music_error(command, transport_ready=transport_ready)
        case commands.StreamWatchConnect():
            return _connect_failed(Role.STREAM_WATCH, ErrorCode.STREAM_WATCH_CONNECT_FAILED)
        case commands.StreamPublishConnect():
            return _connect_failed(Role.STREAM_PUBLISH, ErrorCode.STREAM_PUBLISH_CONNECT_FAILED)
        case commands.StreamWatchDisconnect(reason=reason):
            return _disconnected(Role.STREAM_WATCH, reason)
        case commands.StreamPublishDisconnect(reason=reason):
            return _disconnected(Role.STREAM_PUBLISH, reason)
        case _ if isinstance(command, _PUBLISH):
            return dialects.transport_state(Role.STREAM_PUBLISH, None, TransportStatus.FAILED, _REASON)
        case _:
            return dialects.request_error(InvalidRequest("this version cannot do that"))


def _music_error(command: commands.Command, *, transport_ready: bool) -> list[Event]:
    error = MusicError(
        music_id=getattr(command, "music_id", None) or None,
        code=MusicErrorCode.PIPELINE_FAILED,
        message="this version plays no music",
    )
    events: list[Event] = [error, PlayerState(status=PlayerStatus.IDLE)]
    if transport_ready:
        events.append(PlaybackArmed(reason=ArmedReason.MUSIC_ERROR))
    return events


def _connect_failed(role: Role, code: ErrorCode) -> list[Event]:
    error = dialects.transport_error(role, None, code, "this version has no stream roles")
    return [*error, *dialects.transport_state(role, None, TransportStatus.FAILED, _REASON)]


def _disconnected(role: Role, reason: str) -> list[Event]:
    """Say what is true without a connection: nothing is connected."""
    cleared = dialects.dave_state(role, None, DaveStatus.CLEARED)
    return [*cleared, *dialects.transport_state(role, None, TransportStatus.DISCONNECTED, reason)]
