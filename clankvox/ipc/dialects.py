"""Every difference between the client generations, and nowhere else.

There is no negotiation: an object that was given an id gets the correlated form, one without gets the plain
form, each on its own (a connection, a playback, a capture, a track). Pure functions; any thread.

`V` below is a parent that gave an id, `M/L` one that did not.
"""

from typing import assert_never

from clankvox.errors import CommandError, InvalidRequest
from clankvox.ids import CaptureId, ConnectionId, MusicId, PlaybackId, Role, UserId
from clankvox.ipc.events import (
    ConnectionState,
    DaveState,
    ErrorEvent,
    Event,
    MusicError,
    MusicIdle,
    PlaybackPosition,
    PlayerState,
    Recovery,
    TransportState,
    TtsBufferOverflow,
    TtsPlaybackState,
    UserAudioEnd,
)
from clankvox.ipc.framing import CAPTURE_ID_LIMIT_BYTES
from clankvox.ipc.statuses import (
    ConnectionStatus,
    DaveStatus,
    ErrorCode,
    MusicErrorCode,
    PlayerStatus,
    TransportStatus,
    TtsReason,
    TtsStatus,
)

_SAMPLES_PER_MS = 48


# --- ids -------------------------------------------------------------------------------------------------


def check_connection_id(connection_id: ConnectionId | None) -> None:
    """Refuse an id that was given and is blank; an absent one is an M/L connection."""
    if connection_id is not None and not connection_id.strip():
        raise InvalidRequest("connectionId is blank")


def check_playback_id(playback_id: PlaybackId | None) -> None:
    """Refuse an id that was given and is empty; an absent one is the anonymous playback."""
    if playback_id == "":
        raise InvalidRequest("playbackId is empty")


def check_capture_id(capture_id: CaptureId | None) -> None:
    """Refuse an id that the audio header cannot carry; an absent one is a persistent capture."""
    if capture_id is not None and not 1 <= len(capture_id.encode()) <= CAPTURE_ID_LIMIT_BYTES:
        raise InvalidRequest(f"captureId must have 1 to {CAPTURE_ID_LIMIT_BYTES} bytes")


# --- connection ------------------------------------------------------------------------------------------


def connection_state(connection_id: ConnectionId | None, status: ConnectionStatus) -> list[Event]:
    """Events for a change of the voice connection."""
    return [ConnectionState(status=status, connection_id=connection_id)]


def transport_state(
    role: Role, connection_id: ConnectionId | None, status: TransportStatus, reason: str | None = None
) -> list[Event]:
    """Events for a change of a role's transport; only the voice role echoes the connection's id."""
    return [TransportState(role=role, connection_id=_voice_only(role, connection_id), status=status, reason=reason)]


def recovery(role: Role, connection_id: ConnectionId | None, step: str, reason: str) -> list[Event]:
    """Events for a step of the watchdog; every parent passes over events that it does not know."""
    return [Recovery(role=role, connection_id=_voice_only(role, connection_id), step=step, reason=reason)]


def dave_state(
    role: Role, connection_id: ConnectionId | None, status: DaveStatus, protocol_version: int = 0
) -> list[Event]:
    """Events for a change of a role's encryption; `cleared` has no version, `disabled` has 0."""
    version = None if status is DaveStatus.CLEARED else protocol_version
    shown_id = _voice_only(role, connection_id)
    return [DaveState(role=role, connection_id=shown_id, status=status, protocol_version=version)]


def transport_error(role: Role, connection_id: ConnectionId | None, code: ErrorCode, message: str) -> list[Event]:
    """Events for a fault of a role's transport: always with its role."""
    shown_id = _voice_only(role, connection_id)
    return [ErrorEvent(code=code, message=message, role=role, connection_id=shown_id)]


def request_error(error: CommandError) -> list[Event]:
    """Events for a line that could not be carried out: never with a role or a connection."""
    return [ErrorEvent(code=error.code, message=str(error))]


def wants_video_state(connection_id: ConnectionId | None) -> bool:
    """Whether `user_video_state` and `user_video_end` are sent; V parents do not know them."""
    return connection_id is None


def wants_legacy_log(connection_id: ConnectionId | None) -> bool:
    """Whether log records are mirrored as `log` events; V parents do not know them."""
    return connection_id is None


def decodes_vp8(connection_id: ConnectionId | None) -> bool:
    """Whether VP8 is sent as JPEG (V) or compressed, because the parent decodes it itself (M/L)."""
    return connection_id is not None


# --- TTS -------------------------------------------------------------------------------------------------


def tts_status(
    playback_id: PlaybackId | None, status: TtsStatus, reason: str | None = None, played_ms: int | None = None
) -> list[Event]:
    """Events for a change of a playback. Without id: `buffered`, and `idle` for every end."""
    if playback_id is not None:
        return [TtsPlaybackState(playback_id=playback_id, status=status, reason=reason, played_ms=played_ms)]
    match status:
        case TtsStatus.BUFFERED:
            return [TtsPlaybackState(status=TtsStatus.BUFFERED)]
        case TtsStatus.STARTED:  # L takes whatever is not `buffered` for idle
            return []
        case TtsStatus.DRAINED | TtsStatus.STOPPED | TtsStatus.FAILED | TtsStatus.IDLE:
            return [TtsPlaybackState(status=TtsStatus.IDLE)]
        case _:
            assert_never(status)


def tts_position(playback_id: PlaybackId, played_ms: int) -> list[Event]:
    """Events for the progress of a playback, which has an id."""
    return [PlaybackPosition(playback_id=playback_id, played_ms=played_ms)]


def chunk_refused(playback_id: PlaybackId | None, reason: TtsReason, played_ms: int | None = None) -> list[Event]:
    """Events for a TTS chunk that is not taken: V, its playback has failed; M/L, silence."""
    if playback_id is None:
        return []
    failed: Event = TtsPlaybackState(
        playback_id=playback_id, status=TtsStatus.FAILED, reason=reason, played_ms=played_ms
    )
    if reason is TtsReason.INVALID_SAMPLE_RATE:
        return [*request_error(InvalidRequest("sampleRate must be 8000 to 48000")), failed]
    return [failed]


def tts_overflow(
    playback_id: PlaybackId | None, dropped_samples: int, buffer_samples: int, played_ms: int | None = None
) -> list[Event]:
    """Events for too much TTS (samples at 48 kHz); V: the playback has failed, M/L: what fits was kept."""
    overflow = TtsBufferOverflow(
        playback_id=playback_id,
        dropped_samples=dropped_samples,
        dropped_ms=dropped_samples // _SAMPLES_PER_MS,
        buffer_samples=buffer_samples,
        buffer_ms=buffer_samples // _SAMPLES_PER_MS,
    )
    return [overflow, *chunk_refused(playback_id, TtsReason.TTS_BUFFER_OVERFLOW, played_ms)]


# --- capture ---------------------------------------------------------------------------------------------


def capture_end(
    role: Role,
    user_id: UserId,
    capture_id: CaptureId | None,
    start_ms: float | None = None,
    end_ms: float | None = None,
) -> list[Event]:
    """Events for the end of captured audio; its media times only for a capture that asked for its timeline."""
    return [
        UserAudioEnd(
            role=beside_the_call(role), user_id=user_id, capture_id=capture_id, start_ms=start_ms, end_ms=end_ms
        )
    ]


def beside_the_call(role: Role) -> Role | None:
    """Return a role to be shown: none for the call itself, of which no generation expects it."""
    return None if role is Role.VOICE else role


# --- music -----------------------------------------------------------------------------------------------


def music_loading(music_id: MusicId | None) -> list[Event]:
    """Events for a track that has no PCM yet; L does not know `loading`."""
    return [] if music_id is None else [PlayerState(status=PlayerStatus.LOADING, music_id=music_id)]


def player_state(status: PlayerStatus, music_id: MusicId | None, played_ms: int) -> list[Event]:
    """Events for what the current track does; V is told how much of it was heard when it is held or over."""
    if status is PlayerStatus.LOADING:
        return music_loading(music_id)
    position = None if status is PlayerStatus.PLAYING else _position(music_id, played_ms)
    return [PlayerState(status=status, music_id=music_id, played_ms=position)]


def music_idle(music_id: MusicId | None, played_ms: int) -> list[Event]:
    """Events for the end of the current track."""
    return [MusicIdle(music_id=music_id, played_ms=_position(music_id, played_ms))]


def music_replaced(music_id: MusicId | None, played_ms: int) -> list[Event]:
    """Events for a track that another one takes the place of: V gets its end."""
    return [] if music_id is None else music_idle(music_id, played_ms)


def music_position(music_id: MusicId | None, played_ms: int) -> list[Event]:
    """Events for the progress of a track: V only, for L would log each as unknown."""
    return [] if music_id is None else [PlaybackPosition(music_id=music_id, played_ms=played_ms)]


def music_unplayable(music_id: MusicId | None) -> list[Event]:
    """Events for a `music_play` with an empty id or URL; an empty id is not echoed."""
    message = "musicId is empty" if music_id == "" else "url is empty"
    return [MusicError(music_id=music_id or None, code=MusicErrorCode.PIPELINE_FAILED, message=message)]


def music_waits_for_tts(music_id: MusicId | None) -> bool:
    """Whether a track becomes audible only after the announcement (M/L) or at its first PCM (V)."""
    return music_id is None


def _position(music_id: MusicId | None, played_ms: int) -> int | None:
    return None if music_id is None else played_ms


def _voice_only(role: Role, connection_id: ConnectionId | None) -> ConnectionId | None:
    return connection_id if role is Role.VOICE else None
