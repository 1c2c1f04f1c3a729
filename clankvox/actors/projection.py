"""What the parent is told: pure functions from reports (machine states and facts) to events of the contract.

Only the router calls these; no other actor knows an event. Which client generation sees what is decided in
ipc.dialects.
"""

from typing import Final, assert_never

from clankvox.actors import music_projection
from clankvox.errors import InvalidRequest
from clankvox.fsm.connection import ConnectionState
from clankvox.fsm.dave import DaveState
from clankvox.fsm.publish import PublishState
from clankvox.ids import Role
from clankvox.ipc import dialects
from clankvox.ipc.events import (
    AdapterSend,
    BufferDepth,
    ClientDisconnect,
    Event,
    PlaybackArmed,
    Ready,
    Segment,
    SpeakingEnd,
    SpeakingStart,
    StreamPublishMediaStarted,
    StreamStats,
)
from clankvox.ipc.stats import StreamFates
from clankvox.ipc.statuses import (
    ArmedReason,
    ConnectionStatus,
    DaveStatus,
    ErrorCode,
    TransportStatus,
    TtsReason,
    TtsStatus,
)
from clankvox.media.segment import Segment as MediaSegment
from clankvox.media.stream_register import StreamReport
from clankvox.messages.router import (
    AdapterSendRequested,
    BufferDepthReported,
    CaptureEnded,
    ConnectionReported,
    DaveReported,
    MemberLeft,
    MusicGainReported,
    MusicPositionReported,
    MusicReplaced,
    MusicReported,
    MusicUnplayable,
    PublishMediaStarted,
    PublishRefused,
    PublishReported,
    RecoveryReported,
    Report,
    RequestRefused,
    RuntimeFailed,
    SpeakingReported,
    TtsChunkRefused,
    TtsOverflowed,
    TtsPositionReported,
    TtsReported,
    VideoGone,
    VideoReported,
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


def events_of(report: Report, *, transport_ready: bool = False) -> list[Event]:
    """Return what the parent sees of `report`, in order. `transport_ready`: voice is connected; music asks."""
    match report:
        case AdapterSendRequested():
            return [AdapterSend.voice_state(report.guild_id, report.channel_id, self_mute=report.self_mute)]
        case ConnectionReported() | RecoveryReported():
            return connection_events(report)
        case DaveReported():
            return dave_events(report)
        case TtsReported() | TtsPositionReported() | TtsChunkRefused() | TtsOverflowed() | BufferDepthReported():
            return speech_events(report)
        case MusicReported() | MusicReplaced() | MusicUnplayable() | MusicGainReported() | MusicPositionReported():
            return music_projection.events_of(report, transport_ready=transport_ready)
        case RequestRefused():
            return dialects.request_error(InvalidRequest(report.message))
        case RuntimeFailed():
            return dialects.transport_error(
                report.role, report.connection_id, ErrorCode.VOICE_RUNTIME_ERROR, report.message
            )
        case SpeakingReported() | CaptureEnded() | MemberLeft():
            return speaker_events(report)
        case PublishReported() | PublishRefused() | PublishMediaStarted():
            return publish_events(report)
        case VideoReported() | VideoGone():
            return []  # merged over the roles first: see user_video
        case _:
            assert_never(report)


def speech_events(
    report: TtsReported | TtsPositionReported | TtsChunkRefused | TtsOverflowed | BufferDepthReported,
) -> list[Event]:
    """Project what becomes of a playback, and how much waits to be heard."""
    match report:
        case TtsReported():
            return dialects.tts_status(report.playback_id, TtsStatus(report.status), report.reason, report.played_ms)
        case TtsPositionReported():
            return dialects.tts_position(report.playback_id, report.played_ms)
        case TtsChunkRefused():
            return dialects.chunk_refused(report.playback_id, TtsReason(report.reason), report.played_ms)
        case TtsOverflowed():
            return dialects.tts_overflow(
                report.playback_id, report.dropped_samples, report.buffer_samples, report.played_ms
            )
        case BufferDepthReported():
            return [BufferDepth(tts_samples=report.tts_samples, music_samples=report.music_samples)]


def speaker_events(report: SpeakingReported | CaptureEnded | MemberLeft) -> list[Event]:
    """Project who speaks, what was captured of him, and that he is gone."""
    match report:
        case CaptureEnded():
            times = _times_ms(report.segment) if report.segment is not None and report.timeline else ()
            return [*_segment(report), *dialects.capture_end(report.role, report.user_id, report.capture_id, *times)]
        case _ if report.role is not Role.VOICE:
            return []  # who speaks and who is there is said of the call; a stream has sound, not speakers
        case SpeakingReported():
            event = SpeakingStart if report.speaking else SpeakingEnd
            return [event(user_id=report.user_id, capture_id=report.capture_id)]
        case MemberLeft():
            return [ClientDisconnect(user_id=report.user_id)]


def _times_ms(segment: MediaSegment) -> tuple[float, float]:
    return round(segment.start / _TICKS_PER_MS, 3), round(segment.end / _TICKS_PER_MS, 3)


def _segment(report: CaptureEnded) -> list[Event]:
    """Say what the utterance was, if its capture asked."""
    segment = report.segment
    if segment is None:
        return []
    start_ms, end_ms = _times_ms(segment)
    return [
        Segment(
            role=dialects.beside_the_call(report.role),
            user_id=report.user_id,
            capture_id=report.capture_id,
            start_ms=start_ms,
            end_ms=end_ms,
            speech_ms=segment.speech_ms,
            peak=segment.peak,
            mean_level_dbfs=round(segment.mean_level_dbfs, 1),
        )
    ]


def stream_statistics(role: Role, reports: list[StreamReport]) -> list[Event]:
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


def connection_events(report: ConnectionReported | RecoveryReported) -> list[Event]:
    """Project a transition of the connection machine, or a step of its watchdog.

    Recoverable trouble shows only `reconnecting`; `disconnected` means that the process will not try again.
    """
    if isinstance(report, RecoveryReported):
        return dialects.recovery(report.role, report.connection_id, report.step, report.reason)
    if report.role is not Role.VOICE:
        return stream_connection_events(report)
    match report.event:
        case "session_ready":
            return _ready(report)
        case "session_resumed":
            # No second `ready` and nothing armed anew: parents take those for a new session, and this is the old one.
            return _pair(report, ConnectionStatus.READY, TransportStatus.READY)
        case "connection_lost" | "resume_failed":
            return _pair(report, ConnectionStatus.RECONNECTING, TransportStatus.RECONNECTING)
        case "gave_up":
            code = ErrorCode.VOICE_RUNTIME_ERROR if report.was_ever_ready else _CONNECT_FAILED[report.role]
            error = dialects.transport_error(report.role, report.connection_id, code, report.detail)
            return [*error, *_pair(report, ConnectionStatus.DISCONNECTED, TransportStatus.DISCONNECTED)]
        case "left":
            return _pair(report, ConnectionStatus.DISCONNECTED, TransportStatus.DISCONNECTED)
        case _:
            return []


_SESSION: Final = frozenset({ConnectionState.READY, ConnectionState.DAVE_TRANSITION, ConnectionState.RECONNECTING})
"""Where a stream role has a session, if only one that is being resumed: that is shown only if it fails."""
_STREAM_SHOWN: Final = {
    "credentials_completed": TransportStatus.CONNECTING,
    "session_ready": TransportStatus.READY,
    "left": TransportStatus.DISCONNECTED,
}


def stream_connection_events(report: ConnectionReported) -> list[Event]:
    """Project a transition of a stream role's connection: `failed` before it was ever ready, `disconnected` after."""
    status, before = _STREAM_SHOWN.get(report.event), list[Event]()
    if report.event == "gave_up":
        status = TransportStatus.DISCONNECTED if report.was_ever_ready else TransportStatus.FAILED
        if not report.was_ever_ready:
            before = dialects.transport_error(report.role, None, _CONNECT_FAILED[report.role], report.detail)
    anew = report.was is ConnectionState.CONNECTING and report.was_ever_ready
    if report.event == "left" and report.was not in _SESSION and not anew:
        before = dialects.dave_state(report.role, None, DaveStatus.CLEARED)  # said by nobody else: there was none
    if status is None:
        return []
    return [*before, *dialects.transport_state(report.role, None, status, report.reason or None)]


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


_PUBLISH_SHOWN: Final = {
    PublishState.WAITING: TransportStatus.WAITING_FOR_TRANSPORT,
    PublishState.PLAYING: TransportStatus.PLAYING,
    PublishState.PAUSED: TransportStatus.PAUSED,
    PublishState.PAUSED_WAITING: TransportStatus.PAUSED,
}
_PUBLISH_ENDS: Final = {"stopped": "stream_publish_stopped", "source_ended": "stream_publish_idle"}


def publish_events(report: PublishReported | PublishRefused | PublishMediaStarted) -> list[Event]:
    """Project what becomes of our own stream's source."""
    match report:
        case PublishReported():
            return _source_events(report)
        case PublishRefused(reason=reason, waiting=waiting):
            status = TransportStatus.WAITING_FOR_TRANSPORT if waiting else TransportStatus.FAILED
            return dialects.transport_state(Role.STREAM_PUBLISH, None, status, reason)
        case PublishMediaStarted():
            return [
                StreamPublishMediaStarted(
                    role=Role.STREAM_PUBLISH,
                    connection_generation=report.connection,
                    source_generation=report.source,
                )
            ]


def _source_events(report: PublishReported) -> list[Event]:
    """Project a transition of the publish machine; what a lost or new connection means for a source is its own."""
    role, now = Role.STREAM_PUBLISH, report.now
    if report.event == "source_failed":
        return dialects.transport_state(role, None, TransportStatus.FAILED, report.reason)
    if report.event in _PUBLISH_ENDS:
        status = TransportStatus.READY if report.linked else TransportStatus.DISCONNECTED
        return dialects.transport_state(role, None, status, _PUBLISH_ENDS[report.event])
    if report.event == "path_closed" or (report.event == "path_opened" and now is not PublishState.PLAYING):
        return []
    return dialects.transport_state(role, None, _PUBLISH_SHOWN[now])
