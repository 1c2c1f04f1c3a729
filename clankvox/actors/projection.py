"""What the parent is told: pure functions from reports (machine states and facts) to events of the contract.

Only the router calls these; no other actor knows an event. Which client generation sees what is decided in
ipc.dialects.
"""

from typing import Final, assert_never

from clankvox.errors import InvalidRequest
from clankvox.fsm.dave import DaveState
from clankvox.ids import Role
from clankvox.ipc import dialects
from clankvox.ipc.events import (
    AdapterSend,
    BufferDepth,
    ClientDisconnect,
    Event,
    PlaybackArmed,
    PlayerState,
    Ready,
    Segment,
    SpeakingEnd,
    SpeakingStart,
    StreamStats,
)
from clankvox.ipc.stats import StreamFates
from clankvox.ipc.statuses import (
    ArmedReason,
    ConnectionStatus,
    DaveStatus,
    ErrorCode,
    PlayerStatus,
    TransportStatus,
    TtsReason,
    TtsStatus,
)
from clankvox.media.receive import StreamReport
from clankvox.messages.router import (
    AdapterSendRequested,
    BufferDepthReported,
    CaptureEnded,
    ConnectionReported,
    DaveReported,
    MemberLeft,
    PlaybackStopped,
    Report,
    RequestRefused,
    RuntimeFailed,
    SpeakingReported,
    TtsChunkRefused,
    TtsOverflowed,
    TtsReported,
)

DAVE_SHOWN: Final = {
    DaveState.INACTIVE: DaveStatus.CLEARED,
    DaveState.DISABLED: DaveStatus.DISABLED,
    DaveState.NEGOTIATING: DaveStatus.NEGOTIATING,
    DaveState.ALONE: DaveStatus.READY,
    DaveState.REKEYING: DaveStatus.READY,
    DaveState.ESTABLISHED: DaveStatus.READY,
    DaveState.SWITCHING: DaveStatus.READY,
}
"""`ready` promises that all that leaves is encrypted: true also while nothing leaves (alone, re-keying)."""

_TICKS_PER_MS: Final = 48

_CONNECT_FAILED: Final = {
    Role.VOICE: ErrorCode.VOICE_CONNECT_FAILED,
    Role.STREAM_WATCH: ErrorCode.STREAM_WATCH_CONNECT_FAILED,
    Role.STREAM_PUBLISH: ErrorCode.STREAM_PUBLISH_CONNECT_FAILED,
}


def events_of(report: Report) -> list[Event]:
    """Return what the parent sees of `report`, in order."""
    match report:
        case AdapterSendRequested():
            return [AdapterSend.voice_state(report.guild_id, report.channel_id, self_mute=report.self_mute)]
        case ConnectionReported():
            return connection_events(report)
        case DaveReported():
            return dave_events(report)
        case TtsReported():
            return dialects.tts_status(report.playback_id, TtsStatus(report.status), report.reason)
        case TtsChunkRefused():
            return dialects.chunk_refused(report.playback_id, TtsReason(report.reason))
        case TtsOverflowed():
            return dialects.tts_overflow(report.playback_id, report.dropped_samples, report.buffer_samples)
        case BufferDepthReported():
            return [BufferDepth(tts_samples=report.tts_samples, music_samples=report.music_samples)]
        case PlaybackStopped():
            return playback_stopped_events(report)
        case RequestRefused():
            return dialects.request_error(InvalidRequest(report.message))
        case RuntimeFailed():
            return dialects.transport_error(
                report.role, report.connection_id, ErrorCode.VOICE_RUNTIME_ERROR, report.message
            )
        case SpeakingReported():
            event = SpeakingStart if report.speaking else SpeakingEnd
            return [event(user_id=report.user_id, capture_id=report.capture_id)]
        case CaptureEnded():
            return [*_segment(report), *dialects.capture_end(report.user_id, report.capture_id)]
        case MemberLeft():
            return [ClientDisconnect(user_id=report.user_id)]
        case _:
            assert_never(report)


def _segment(report: CaptureEnded) -> list[Event]:
    """Say what the utterance was, if its capture asked."""
    segment = report.segment
    if segment is None:
        return []
    return [
        Segment(
            user_id=report.user_id,
            capture_id=report.capture_id,
            start_ms=round(segment.start / _TICKS_PER_MS, 3),
            end_ms=round(segment.end / _TICKS_PER_MS, 3),
            speech_ms=segment.speech_ms,
            peak=segment.peak,
            mean_level_dbfs=round(segment.mean_level_dbfs, 1),
        )
    ]


def stream_events(role: Role, reports: list[StreamReport]) -> list[Event]:
    """Say what became of the packets of each stream."""
    return [
        StreamStats(
            role=role,
            user_id=report.user_id,
            ssrc=report.ledger.ssrc,
            ended=report.ended,
            expected=report.ledger.expected,
            arrived=report.ledger.arrived,
            missing=report.ledger.missing,
            pending=report.pending,
            gaps=report.ledger.gaps,
            restarts=report.ledger.restarts,
            fates=StreamFates(**report.ledger.fates),
        )
        for report in reports
    ]


def connection_events(report: ConnectionReported) -> list[Event]:
    """Project a transition of the connection machine (voice role).

    Recoverable trouble shows only `reconnecting`; `disconnected` means that the process will not try again.
    """
    match report.event:
        case "session_ready":
            return _ready(report)
        case "connection_lost":
            return _pair(report, ConnectionStatus.RECONNECTING, TransportStatus.RECONNECTING)
        case "gave_up":
            code = ErrorCode.VOICE_RUNTIME_ERROR if report.was_ever_ready else _CONNECT_FAILED[report.role]
            error = dialects.transport_error(report.role, report.connection_id, code, report.detail)
            return [*error, *_pair(report, ConnectionStatus.DISCONNECTED, TransportStatus.DISCONNECTED)]
        case "left":
            return _pair(report, ConnectionStatus.DISCONNECTED, TransportStatus.DISCONNECTED)
        case _:
            return []


def _ready(report: ConnectionReported) -> list[Event]:
    return [
        *_pair(report, ConnectionStatus.READY, TransportStatus.READY),
        Ready(connection_id=report.connection_id),
        PlaybackArmed(reason=ArmedReason.CONNECTION_READY),
    ]


def _pair(report: ConnectionReported, connection: ConnectionStatus, transport: TransportStatus) -> list[Event]:
    reason = report.reason or None
    return [
        *dialects.connection_state(report.connection_id, connection),
        *dialects.transport_state(report.role, report.connection_id, transport, reason),
    ]


def dave_events(report: DaveReported) -> list[Event]:
    """Project a transition of the DAVE machine: only what changes for the parent."""
    was, now = DAVE_SHOWN[report.was], DAVE_SHOWN[report.now]
    if was is now and not report.reset:
        return []
    return dialects.dave_state(report.role, report.connection_id, now, report.version)


def playback_stopped_events(report: PlaybackStopped) -> list[Event]:
    """stop_playback always shows an idle player; `armed` only with a transport."""
    events: list[Event] = [PlayerState(status=PlayerStatus.IDLE)]
    if report.transport_ready:
        events.append(PlaybackArmed(reason=ArmedReason.STOP_PLAYBACK))
    return events
