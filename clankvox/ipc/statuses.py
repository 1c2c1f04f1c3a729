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
    """A chunk of an id that has failed before."""
    STALE_PLAYBACK_ID = "stale_playback_id"
    """A chunk while another playback is under way, which goes on; or a finish or stop of one that is not under way,
    which costs nothing."""
    MUSIC_NOT_DUCKED = "music_not_ducked"
    """Music plays at gain 1 and without `duck`: the speech would not be understood."""
    INVALID_PCM_BASE64 = "invalid_pcm_base64"
    """Not base64 of the standard alphabet with padding."""
    INVALID_SAMPLE_RATE = "invalid_sample_rate"
    """Not 8000 to 48000 Hz; `error` `invalid_request` comes first."""
    EMPTY_PCM = "empty_pcm"
    """The first chunk has no PCM. In a playback that is under way an empty chunk does nothing."""
    TTS_BUFFER_OVERFLOW = "tts_buffer_overflow"
    """More than 15 s would wait."""
    VOICE_TRANSPORT_NOT_READY = "voice_transport_not_ready"
    """No call was ready yet, or it is over. During `reconnecting` speech is taken."""
    TRANSPORT_SEND_FAILED = "transport_send_failed"
    """For half a second nothing could be sent or encrypted; the call goes on."""


class MusicErrorCode(StrEnum):
    """`music_error`: what went wrong with a source."""

    HTTP_403 = "http_403"
    """A server answers 403, at the beginning or later. Of a page, yt-dlp was asked once more before; a direct URL is
    to be had anew from whoever named it."""
    FORMAT_UNAVAILABLE = "format_unavailable"
    """yt-dlp knows the page, and has it in no format that can be played."""
    SPAWN_FAILED = "spawn_failed"
    """yt-dlp is not installed (extra `youtube`), or cannot be started."""
    MISSING_STDOUT = "missing_stdout"
    """yt-dlp ended well and named no media."""
    NO_AUDIO = "no_audio"
    """There was no PCM, for any other reason: a page that yt-dlp cannot resolve (`message` has the end of what it
    wrote), a URL or host that is refused, something that is no media, or nothing in time."""
    PIPELINE_FAILED = "pipeline_failed"
    """It broke off after PCM had come and could not be mended; or `url` or `musicId` is empty; or an internal error."""
    WAIT_FAILED = "wait_failed"
    """yt-dlp did not find the media in time."""


class ErrorCode(StrEnum):
    """`error`: the codes of a role's transport; those of a refused line are below (see errors.CommandError)."""

    VOICE_CONNECT_FAILED = "voice_connect_failed"
    """A call that was never ready is over."""
    STREAM_WATCH_CONNECT_FAILED = "stream_watch_connect_failed"
    """A stream that was never ready is over."""
    STREAM_PUBLISH_CONNECT_FAILED = "stream_publish_connect_failed"
    """The same of our own stream."""
    VOICE_RUNTIME_ERROR = "voice_runtime_error"
    """Why a call that was ready is over, or that an internal error ends a role (`disconnected` follows); or that
    nothing of us is heard because frames cannot be encrypted: then the call goes on."""


class LogLevel(StrEnum):
    """`log`: the levels that a legacy parent knows."""

    ERROR = "error"
    WARN = "warn"
    INFO = "info"
