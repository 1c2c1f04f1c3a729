"""Closed vocabularies of the contract: every status, reason and code that the process itself chooses."""

from enum import StrEnum


class LaneName(StrEnum):
    """The lanes of stdout, in order of priority."""

    CONTROL = "control"
    AUDIO = "audio"
    VIDEO = "video"


class ConnectionStatus(StrEnum):
    """`connection_state`: the voice connection, as a legacy parent sees it."""

    READY = "ready"
    DISCONNECTED = "disconnected"
    RECONNECTING = "reconnecting"


class TransportStatus(StrEnum):
    """`transport_state`: one role's transport, and for stream_publish its source."""

    CONNECTING = "connecting"
    READY = "ready"
    FAILED = "failed"
    DISCONNECTED = "disconnected"
    RECONNECTING = "reconnecting"
    WAITING_FOR_TRANSPORT = "waiting_for_transport"
    PLAYING = "playing"
    PAUSED = "paused"


class DaveStatus(StrEnum):
    """`dave_state`: READY means that from now on all that leaves is end-to-end encrypted."""

    NEGOTIATING = "negotiating"
    READY = "ready"
    DISABLED = "disabled"
    CLEARED = "cleared"


class PlayerStatus(StrEnum):
    """`player_state`: the current track."""

    LOADING = "loading"
    PLAYING = "playing"
    PAUSED = "paused"
    IDLE = "idle"


class ArmedReason(StrEnum):
    """`playback_armed`: why the mixer can take a new source."""

    CONNECTION_READY = "connection_ready"
    STOP_PLAYBACK = "stop_playback"
    MUSIC_STOP = "music_stop"
    MUSIC_PAUSE = "music_pause"
    MUSIC_IDLE = "music_idle"
    MUSIC_ERROR = "music_error"


class TtsStatus(StrEnum):
    """`tts_playback_state`: the life of a playback; a playback without id shows BUFFERED and IDLE only."""

    BUFFERED = "buffered"
    STARTED = "started"
    DRAINED = "drained"
    STOPPED = "stopped"
    FAILED = "failed"
    IDLE = "idle"


class TtsReason(StrEnum):
    """Why a TTS chunk or playback failed (a reset or stop gives its own reason text instead)."""

    PLAYBACK_ALREADY_FAILED = "playback_already_failed"
    STALE_PLAYBACK_ID = "stale_playback_id"
    MUSIC_NOT_DUCKED = "music_not_ducked"
    INVALID_PCM_BASE64 = "invalid_pcm_base64"
    INVALID_SAMPLE_RATE = "invalid_sample_rate"
    EMPTY_PCM = "empty_pcm"
    TTS_BUFFER_OVERFLOW = "tts_buffer_overflow"
    VOICE_TRANSPORT_NOT_READY = "voice_transport_not_ready"
    TRANSPORT_SEND_FAILED = "transport_send_failed"


class MusicErrorCode(StrEnum):
    """`music_error`: what went wrong with a source."""

    HTTP_403 = "http_403"
    FORMAT_UNAVAILABLE = "format_unavailable"
    SPAWN_FAILED = "spawn_failed"
    MISSING_STDOUT = "missing_stdout"
    NO_AUDIO = "no_audio"
    PIPELINE_FAILED = "pipeline_failed"
    WAIT_FAILED = "wait_failed"


class ErrorCode(StrEnum):
    """`error`: the codes of a role's transport; those of a refused line are below (see errors.CommandError)."""

    VOICE_CONNECT_FAILED = "voice_connect_failed"
    STREAM_WATCH_CONNECT_FAILED = "stream_watch_connect_failed"
    STREAM_PUBLISH_CONNECT_FAILED = "stream_publish_connect_failed"
    VOICE_RUNTIME_ERROR = "voice_runtime_error"


class LogLevel(StrEnum):
    """`log`: the levels that a legacy parent knows."""

    ERROR = "error"
    WARN = "warn"
    INFO = "info"
