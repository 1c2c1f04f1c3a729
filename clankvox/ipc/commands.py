"""Every command of the parent, one class each, in one registry.

A decoded command is already valid by itself: ids are u64, ranges are clamped, texts that the contract trims are
trimmed. What depends on the state of a call is for the actors. To add a command, write its class and list it in
`Command`.
"""

from typing import Annotated, Final, TypeAlias, get_args

from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import force_setattr

from clankvox.errors import InvalidRequest
from clankvox.ids import CaptureId, ChannelId, ConnectionId, GuildId, MusicId, PlaybackId, Role, UserId
from clankvox.ipc import dialects
from clankvox.ipc.message import U64_END, Message, Part, wire_tag

U32: TypeAlias = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)]

MIN_RATE_HZ: Final = 8_000
MAX_RATE_HZ: Final = 48_000


class _Command(Message, frozen=True, kw_only=True):
    def _clamp(self, field: str, low: float, high: float) -> None:
        force_setattr(self, field, min(max(getattr(self, field), low), high))

    def _trim(self, field: str) -> None:
        force_setattr(self, field, getattr(self, field).strip())


# --- connection ------------------------------------------------------------------------------------------


class Join(_Command, frozen=True, kw_only=True):
    """Be in a voice channel. A private call has the channel's id as guild. `self_deaf` is taken and ignored."""

    connection_id: ConnectionId | None = None
    guild_id: GuildId
    channel_id: ChannelId
    self_mute: bool = False
    self_deaf: bool = False

    def __post_init__(self) -> None:
        dialects.check_connection_id(self.connection_id)


class Leave(_Command, frozen=True, kw_only=True):
    """Be in no voice channel."""

    reason: str = "explicit_leave"


class VoiceServerData(Part, frozen=True, kw_only=True):
    """Discord's VOICE_SERVER_UPDATE; what is missing is null."""

    endpoint: str | None = None
    token: str | None = None
    guild_id: GuildId | None = None


class VoiceServer(_Command, frozen=True, kw_only=True):
    """The parent's gateway told where the voice server is."""

    data: VoiceServerData


class VoiceStateData(Part, frozen=True, kw_only=True):
    """Discord's VOICE_STATE_UPDATE of our account: UNSET leaves a value as it is, None clears it."""

    session_id: str | UnsetType | None = UNSET
    user_id: UserId | UnsetType | None = UNSET
    channel_id: ChannelId | UnsetType | None = UNSET
    guild_id: GuildId | UnsetType | None = UNSET


class VoiceState(_Command, frozen=True, kw_only=True):
    """The parent's gateway told where our account is."""

    data: VoiceStateData


class StreamWatchConnect(_Command, frozen=True, kw_only=True):
    """Connect to a Go Live stream in order to watch it."""

    endpoint: str
    token: str
    server_id: GuildId
    session_id: str
    user_id: UserId
    dave_channel_id: ChannelId
    rtc_channel_id: ChannelId | None = None
    """An addition: the stream's channel as the gateway names it; without it the DAVE channel is given."""


class StreamPublishConnect(_Command, frozen=True, kw_only=True):
    """Connect to our own Go Live stream in order to publish."""

    endpoint: str
    token: str
    server_id: GuildId
    session_id: str
    user_id: UserId
    dave_channel_id: ChannelId
    rtc_channel_id: ChannelId | None = None
    """An addition: the stream's channel as the gateway names it; without it the DAVE channel is given."""


class StreamWatchDisconnect(_Command, frozen=True, kw_only=True):
    """Stop watching."""

    reason: str = "stream_watch_disconnect"


class StreamPublishDisconnect(_Command, frozen=True, kw_only=True):
    """Stop publishing."""

    reason: str = "stream_publish_disconnect"


class Destroy(_Command, frozen=True, kw_only=True):
    """End the process."""


# --- TTS -------------------------------------------------------------------------------------------------


class Audio(_Command, frozen=True, kw_only=True):
    """A chunk of speech to say: s16le mono at `sample_rate`, 8000 to 48000 Hz (see decoding.decode_pcm)."""

    playback_id: PlaybackId | None = None
    pcm_base64: str
    sample_rate: U32 = 24_000

    def __post_init__(self) -> None:
        dialects.check_playback_id(self.playback_id)


class FinishTtsPlayback(_Command, frozen=True, kw_only=True):
    """No more speech of this playback follows."""

    playback_id: PlaybackId | None = None

    def __post_init__(self) -> None:
        dialects.check_playback_id(self.playback_id)


class StopTtsPlayback(_Command, frozen=True, kw_only=True):
    """Be silent at once; music goes on."""

    playback_id: PlaybackId | None = None

    def __post_init__(self) -> None:
        dialects.check_playback_id(self.playback_id)


class StopPlayback(_Command, frozen=True, kw_only=True):
    """Stop speech and music."""


# --- capture ---------------------------------------------------------------------------------------------


class SubscribeUser(_Command, frozen=True, kw_only=True):
    """Capture a user's speech as s16le mono at `sample_rate` Hz.

    Additions: `timeline`, `pre_roll_ms`, `min_speech_ms`, and `role` (stream_watch: the stream's sound).
    """

    user_id: UserId
    capture_id: CaptureId | None = None
    silence_duration_ms: U32 = 700
    sample_rate: U32 = 24_000
    role: Role = Role.VOICE
    timeline: bool = False
    pre_roll_ms: U32 = 0
    min_speech_ms: U32 = 0

    def __post_init__(self) -> None:
        dialects.check_capture_id(self.capture_id)
        _check_inbound(self.role)
        self._clamp("silence_duration_ms", 100, 5_000)
        self._clamp("sample_rate", MIN_RATE_HZ, MAX_RATE_HZ)
        self._clamp("pre_roll_ms", 0, 2_000)
        self._clamp("min_speech_ms", 0, 5_000)


class UnsubscribeUser(_Command, frozen=True, kw_only=True):
    """Stop capturing a user. `role` is an addition."""

    user_id: UserId
    role: Role = Role.VOICE

    def __post_init__(self) -> None:
        _check_inbound(self.role)


class SubscribeUserVideo(_Command, frozen=True, kw_only=True):
    """See a user's webcam and Go Live. No pixel count and no stream type: no preference."""

    user_id: UserId
    max_frames_per_second: U32 = 2
    preferred_quality: U32 = 100
    preferred_pixel_count: U32 | None = None
    preferred_stream_type: str | None = None
    jpeg_quality: U32 = 75

    def __post_init__(self) -> None:
        self._clamp("max_frames_per_second", 1, 30)
        self._clamp("preferred_quality", 0, 100)
        self._clamp("jpeg_quality", 10, 100)
        stream_type = (self.preferred_stream_type or "").strip().lower()
        force_setattr(self, "preferred_stream_type", stream_type or None)
        if self.preferred_pixel_count:
            self._clamp("preferred_pixel_count", 4_096, 8_294_400)
        else:
            force_setattr(self, "preferred_pixel_count", None)


class UnsubscribeUserVideo(_Command, frozen=True, kw_only=True):
    """Stop seeing a user."""

    user_id: UserId


# --- music -----------------------------------------------------------------------------------------------


class MusicPlay(_Command, frozen=True, kw_only=True):
    """Play a page or, with `resolved_direct_url`, a media file. `visualizer_mode` is taken and ignored."""

    music_id: MusicId | None = None
    url: str
    resolved_direct_url: bool = False
    visualizer_mode: str | None = None

    def __post_init__(self) -> None:
        self._trim("url")

    @property
    def is_playable(self) -> bool:
        """False: answered by `dialects.music_unplayable`, which is not an `error`."""
        return bool(self.url) and self.music_id != ""


class MusicStop(_Command, frozen=True, kw_only=True):
    """Fade out and stop."""

    music_id: MusicId | None = None


class MusicPause(_Command, frozen=True, kw_only=True):
    """Hold the music and its position."""

    music_id: MusicId | None = None


class MusicResume(_Command, frozen=True, kw_only=True):
    """Go on where the music was."""

    music_id: MusicId | None = None


class MusicSetGain(_Command, frozen=True, kw_only=True):
    """Ramp the music to `target` (0 to 1, linear) within `fade_ms`."""

    music_id: MusicId | None = None
    target: float
    fade_ms: U32 = 0

    def __post_init__(self) -> None:
        self._clamp("target", 0.0, 1.0)


class Duck(_Command, frozen=True, kw_only=True):
    """An addition: lower music under our speech to `target` (0 to 1; 1 switches it off)."""

    target: float
    attack_ms: U32 = 150
    release_ms: U32 = 300

    def __post_init__(self) -> None:
        self._clamp("target", 0.0, 1.0)


# --- stream publish --------------------------------------------------------------------------------------


class StreamPublishPlay(_Command, frozen=True, kw_only=True):
    """Publish a video. `with_audio` is an addition."""

    url: str
    resolved_direct_url: bool = False
    with_audio: bool = False

    def __post_init__(self) -> None:
        self._trim("url")


class StreamPublishPlayVisualizer(_Command, frozen=True, kw_only=True):
    """Publish a picture of sound. `with_audio` is an addition."""

    url: str
    resolved_direct_url: bool = False
    visualizer_mode: str = "cqt"
    with_audio: bool = False

    def __post_init__(self) -> None:
        self._trim("url")
        if self.visualizer_mode not in {"cqt", "spectrum", "waves", "vectorscope"}:
            force_setattr(self, "visualizer_mode", "cqt")


class StreamPublishBrowserStart(_Command, frozen=True, kw_only=True):
    """Publish pictures that the parent sends."""

    mime_type: str

    def __post_init__(self) -> None:
        self._trim("mime_type")

    @property
    def is_png(self) -> bool:
        """Whether it is the one type that is supported."""
        return self.mime_type.lower() == "image/png"


class StreamPublishBrowserFrame(_Command, frozen=True, kw_only=True):
    """One picture of at most 6 MiB (see decoding.decode_picture). `captured_at_ms` counts from any origin."""

    mime_type: str
    frame_base64: str
    captured_at_ms: Annotated[int, Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        self._trim("mime_type")
        if self.captured_at_ms >= U64_END:
            raise ValueError("capturedAtMs must be below 2**64")  # msgspec makes it a ValidationError

    @property
    def is_png(self) -> bool:
        """Whether it is the one type that is supported."""
        return self.mime_type.lower() == "image/png"


class StreamPublishStop(_Command, frozen=True, kw_only=True):
    """Publish nothing."""


class StreamPublishPause(_Command, frozen=True, kw_only=True):
    """Hold the published source."""


class StreamPublishResume(_Command, frozen=True, kw_only=True):
    """Go on with the published source."""


class Inspect(_Command, frozen=True, kw_only=True):
    """An addition: describe yourself."""


Command: TypeAlias = (
    Join
    | Leave
    | VoiceServer
    | VoiceState
    | StreamWatchConnect
    | StreamPublishConnect
    | StreamWatchDisconnect
    | StreamPublishDisconnect
    | Destroy
    | Audio
    | FinishTtsPlayback
    | StopTtsPlayback
    | StopPlayback
    | SubscribeUser
    | UnsubscribeUser
    | SubscribeUserVideo
    | UnsubscribeUserVideo
    | MusicPlay
    | MusicStop
    | MusicPause
    | MusicResume
    | MusicSetGain
    | Duck
    | StreamPublishPlay
    | StreamPublishPlayVisualizer
    | StreamPublishBrowserStart
    | StreamPublishBrowserFrame
    | StreamPublishStop
    | StreamPublishPause
    | StreamPublishResume
    | Inspect
)
"""Anything that the parent may ask for."""

COMMANDS: Final[dict[str, type[Command]]] = {wire_tag(command): command for command in get_args(Command)}
"""Every command class by its wire tag."""


def _check_inbound(role: Role) -> None:
    if role is Role.STREAM_PUBLISH:
        raise InvalidRequest("nothing is received on stream_publish")
