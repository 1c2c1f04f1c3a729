"""Every event for the parent, one class each, in one registry.

Optional fields are None inside and absent on the wire, never null. A class knows its lane and whether it is
telemetry, of which only the latest matters when the parent is slow. To add an event, write its class and list
it in `Event`.
"""

from typing import Any, ClassVar, Final, Self, TypeAlias, get_args

import msgspec

from clankvox.ids import CaptureId, ChannelId, ConnectionId, GuildId, MusicId, PlaybackId, Role, UserId
from clankvox.ipc.message import Message, Part, snowflake_keys, wire_tag
from clankvox.ipc.stats import (
    InboundAudioStats,
    InboundVideoStats,
    LaneStats,
    OutboundStats,
    RestartStats,
    StreamFates,
    TickStats,
)
from clankvox.ipc.statuses import (
    ArmedReason,
    ConnectionStatus,
    DaveStatus,
    LaneName,
    LogLevel,
    MusicErrorCode,
    PlayerStatus,
    TransportStatus,
    TtsStatus,
)

PROTOCOL_VERSION: Final = 1
"""Of this contract; parents refuse any other."""
_OP_VOICE_STATE_UPDATE: Final = 4  # of the main gateway, which the parent owns


class _Event(Message, frozen=True, kw_only=True, omit_defaults=True):
    lane: ClassVar[LaneName] = LaneName.CONTROL
    is_telemetry: ClassVar[bool] = False

    @property
    def coalesce_key(self) -> str | None:
        """What a newer event replaces an older one by when the lane is full; None: every one counts."""
        return wire_tag(type(self)) if self.is_telemetry else None


class ProcessReady(_Event, frozen=True, kw_only=True):
    """The pipes are up. Once, and before anything else; `version` and `capabilities` are additions."""

    protocol_version: int
    version: str | None = None
    capabilities: tuple[str, ...] | None = None


class Ready(_Event, frozen=True, kw_only=True):
    """Voice socket, UDP and session description are complete (says nothing of DAVE)."""

    connection_id: ConnectionId | None = None


class VoiceStateUpdate(Part, frozen=True, kw_only=True):
    """Discord's own object: where our account wants to be. Parents check that it has exactly these keys."""

    guild_id: str
    channel_id: str | None
    self_mute: bool
    self_deaf: bool


class GatewayPayload(Part, frozen=True, kw_only=True):
    """A payload for the parent's main gateway."""

    op: int
    d: VoiceStateUpdate


class AdapterSend(_Event, frozen=True, kw_only=True):
    """The parent sends `payload` on its main gateway."""

    payload: GatewayPayload

    @classmethod
    def voice_state(cls, guild_id: GuildId, channel_id: ChannelId | None, *, self_mute: bool) -> Self:
        """Ask to be in `channel_id`, or with None in no channel."""
        update = VoiceStateUpdate(
            guild_id=str(guild_id),
            channel_id=None if channel_id is None else str(channel_id),
            self_mute=self_mute,
            self_deaf=False,
        )
        return cls(payload=GatewayPayload(op=_OP_VOICE_STATE_UPDATE, d=update))


class ConnectionState(_Event, frozen=True, kw_only=True):
    """The voice connection changed."""

    status: ConnectionStatus
    connection_id: ConnectionId | None = None


class TransportState(_Event, frozen=True, kw_only=True):
    """A role's transport changed. `connection_id` only for the voice role of a parent that gave one."""

    role: Role
    connection_id: ConnectionId | None = None
    status: TransportStatus
    reason: str | None = None


class Recovery(_Event, frozen=True, kw_only=True):
    """There is proof that nothing is heard although members speak, and this is done about it. An addition.

    `step`, gentlest first, 5 s from one to the next: `udp` (a new socket, our address asked for anew), `dave` (asks to
    be added to the group anew), `resume` (a new WebSocket for the session), `rejoin` (a new session). The last two
    show as `reconnecting` as well. `reason`: `frames_undecryptable`, `keepalives_unanswered`, or why UDP was lost.
    """

    role: Role
    connection_id: ConnectionId | None = None
    step: str
    reason: str


class DaveState(_Event, frozen=True, kw_only=True):
    """A role's end-to-end encryption changed. Every status but `cleared` says the protocol version."""

    role: Role
    connection_id: ConnectionId | None = None
    status: DaveStatus
    protocol_version: int | None = None


class PlayerState(_Event, frozen=True, kw_only=True):
    """The current track changed."""

    status: PlayerStatus
    music_id: MusicId | None = None
    played_ms: int | None = None
    """An addition, with an id, when paused or idle: how much of the track crossed the wire."""


class PlaybackArmed(_Event, frozen=True, kw_only=True):
    """The mixer can take a new source."""

    reason: ArmedReason


class TtsPlaybackState(_Event, frozen=True, kw_only=True):
    """A TTS playback changed. `reason` is a TtsReason or the reason of the reset or stop that ended it."""

    playback_id: PlaybackId | None = None
    status: TtsStatus
    reason: str | None = None
    played_ms: int | None = None
    """An addition, with an id, at its end: how much of it crossed the wire."""


class SpeakingStart(_Event, frozen=True, kw_only=True):
    """A user began to send audio. `capture_id` only while a capture with an id is open."""

    user_id: UserId
    capture_id: CaptureId | None = None


class SpeakingEnd(_Event, frozen=True, kw_only=True):
    """A user stopped sending audio."""

    user_id: UserId
    capture_id: CaptureId | None = None


class UserAudioEnd(_Event, frozen=True, kw_only=True):
    """The captured utterance is over; queued behind its last PCM.

    Media times as those of `segment`, an addition: only for a capture that asked for `timeline`. `role`, an addition:
    only for the sound of a watched stream.
    """

    lane: ClassVar[LaneName] = LaneName.AUDIO

    role: Role | None = None
    user_id: UserId
    capture_id: CaptureId | None = None
    start_ms: float | None = None
    end_ms: float | None = None


class Segment(_Event, frozen=True, kw_only=True):
    """What the captured utterance was. An addition, queued behind its last PCM, right before its `user_audio_end`.

    Only for a capture that asked for `timeline`, `preRollMs` or `minSpeechMs`.
    Times are of the process's timeline (48 kHz ticks of audio format 2, divided by 48). `peak` is 0 to 32768,
    `mean_level_dbfs` the root mean square from -100 to 0. `role` only for the sound of a watched stream.
    """

    lane: ClassVar[LaneName] = LaneName.AUDIO

    role: Role | None = None
    user_id: UserId
    capture_id: CaptureId | None = None
    start_ms: float
    end_ms: float
    speech_ms: int
    peak: int
    mean_level_dbfs: float


class MaxResolution(Part, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What a sender says it sends at most, in pixels."""

    width: int | None = None
    height: int | None = None
    type: str | None = None


class VideoStream(Part, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One video stream that a user announced. `max_bitrate` in bit/s."""

    ssrc: int
    rtx_ssrc: int | None = None
    rid: str | None = None
    quality: int | None = None
    stream_type: str | None = None
    active: bool | None = None
    max_bitrate: int | None = None
    max_framerate: float | None = None
    max_resolution: MaxResolution | None = None


class UserVideoState(_Event, frozen=True, kw_only=True):
    """What a user announced, merged over the roles."""

    user_id: UserId
    audio_ssrc: int | None = None
    video_ssrc: int | None = None
    codec: str | None = None
    streams: tuple[VideoStream, ...]


class UserVideoFrame(_Event, frozen=True, kw_only=True):
    """A compressed picture: a VP8 frame, or H264 as Annex B. `rtp_timestamp` counts 90 kHz."""

    lane: ClassVar[LaneName] = LaneName.VIDEO

    role: Role
    user_id: UserId
    ssrc: int
    codec: str
    keyframe: bool
    frame: bytes = msgspec.field(name="frameBase64")
    rtp_timestamp: int
    stream_type: str | None = None
    rid: str | None = None
    dave_decrypted: bool


class DecodedVideoFrame(_Event, frozen=True, kw_only=True):
    """A decoded picture as JPEG, in the union of what all client generations read. Scores are 0 to 1."""

    lane: ClassVar[LaneName] = LaneName.VIDEO

    role: Role
    user_id: UserId
    ssrc: int
    width: int
    height: int
    jpeg: bytes = msgspec.field(name="jpegBase64")
    rtp_timestamp: int
    stream_type: str | None = None
    rid: str | None = None
    change_score: float
    ema_change_score: float
    is_scene_cut: bool


class UserVideoEnd(_Event, frozen=True, kw_only=True):
    """A user's video is gone."""

    user_id: UserId
    ssrc: int | None = None


class ClientDisconnect(_Event, frozen=True, kw_only=True):
    """A user left the channel; its `speaking_end` and `user_audio_end` were queued before."""

    user_id: UserId


class MusicIdle(_Event, frozen=True, kw_only=True):
    """The track ended or was stopped. `played_ms`, an addition with an id: how much of it crossed the wire."""

    music_id: MusicId | None = None
    played_ms: int | None = None


class MusicError(_Event, frozen=True, kw_only=True):
    """The track failed. `message` has its URLs redacted by whoever wrote it."""

    music_id: MusicId | None = None
    code: MusicErrorCode
    message: str


class MusicGainReached(_Event, frozen=True, kw_only=True):
    """A gain ramp reached its target."""

    music_id: MusicId | None = None
    gain: float


class PlaybackPosition(_Event, frozen=True, kw_only=True):
    """How much of a playback or a track with an id crossed the wire: every second while it sounds. An addition.

    Of a track also at its first packet.
    """

    is_telemetry: ClassVar[bool] = True

    playback_id: PlaybackId | None = None
    music_id: MusicId | None = None
    played_ms: int


class StreamPublishMediaStarted(_Event, frozen=True, kw_only=True):
    """The first picture of a source was sent on this connection. Both generations count from 1."""

    role: Role
    connection_generation: int
    source_generation: int


class BufferDepth(_Event, frozen=True, kw_only=True):
    """What is buffered for sending, in samples at 48 kHz."""

    is_telemetry: ClassVar[bool] = True

    tts_samples: int
    music_samples: int


class TtsBufferOverflow(_Event, frozen=True, kw_only=True):
    """TTS came faster than it could be buffered. `buffer_*` is what would have been buffered, at 48 kHz."""

    playback_id: PlaybackId | None = None
    dropped_samples: int
    dropped_ms: int
    buffer_samples: int
    buffer_ms: int


class TransportStats(_Event, frozen=True, kw_only=True):
    """Counters since the process started, over all roles. Sub-objects hold plain numbers only."""

    is_telemetry: ClassVar[bool] = True

    uptime_ms: int
    tick: TickStats
    ipc_lanes: LaneStats
    inbound_audio: InboundAudioStats
    inbound_video: InboundVideoStats
    outbound: OutboundStats
    restarts: RestartStats


class ActorView(Part, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One actor, as it describes itself: numbers, names and states, and nothing that is secret."""

    kind: str
    role: str
    user_id: str | None = None
    state: str
    """Of its machine."""
    mailbox: int
    """Messages that wait for it."""
    mailbox_deepest: int
    timers_ms: tuple[int, ...]
    """How soon its timers are due."""
    failures: dict[str, int]
    """How often the actors in this place have failed, by the name of the error."""
    details: dict[str, Any]


class Inspect(_Event, frozen=True, kw_only=True):
    """The answer to the command of the same name. An addition.

    `silent` names the actors that did not answer within 100 ms, `queues` counts what waits between threads.
    """

    actors: tuple[ActorView, ...]
    silent: tuple[str, ...]
    queues: dict[str, int]
    restarts: RestartStats
    counters: TransportStats


class StreamStats(_Event, frozen=True, kw_only=True):
    """What became of the packets of one SSRC, since it was first heard on this connection. An addition.

    Every 5 s for an SSRC that packets came from, and once more when it is over (`ended`). It sums up:
    `arrived` + `missing` = all of `fates` + `pending`; `expected` counts what came too late only once.
    """

    is_telemetry: ClassVar[bool] = True

    role: Role
    user_id: UserId | None = None
    ssrc: int
    ended: bool
    expected: int
    arrived: int
    missing: int
    pending: int
    gaps: int
    restarts: int
    fates: StreamFates


class ErrorEvent(_Event, frozen=True, kw_only=True, tag="error"):
    """A rejected line (then without role and connection), or a fault of a role's transport."""

    code: str
    message: str
    role: Role | None = None
    connection_id: ConnectionId | None = None


class Log(_Event, frozen=True, kw_only=True):
    """A log record for a legacy parent; `message` names the event, values stand in `fields`."""

    is_telemetry: ClassVar[bool] = True

    level: LogLevel
    target: str
    message: str
    fields: dict[str, str | int | float | bool]


Event: TypeAlias = (
    ProcessReady
    | Ready
    | AdapterSend
    | ConnectionState
    | TransportState
    | Recovery
    | DaveState
    | PlayerState
    | PlaybackArmed
    | TtsPlaybackState
    | SpeakingStart
    | SpeakingEnd
    | UserAudioEnd
    | Segment
    | StreamStats
    | UserVideoState
    | UserVideoFrame
    | DecodedVideoFrame
    | UserVideoEnd
    | ClientDisconnect
    | MusicIdle
    | MusicError
    | MusicGainReached
    | PlaybackPosition
    | StreamPublishMediaStarted
    | BufferDepth
    | TtsBufferOverflow
    | TransportStats
    | Inspect
    | ErrorEvent
    | Log
)
"""Anything that is said to the parent as JSON."""

EVENTS: Final[dict[str, type[_Event]]] = {wire_tag(event): event for event in get_args(Event)}
"""Every event class by its wire tag."""

_SNOWFLAKES: Final = {event: snowflake_keys(event) for event in EVENTS.values()}
_encode_json: Final = msgspec.json.Encoder().encode


def encode_event(event: Event) -> bytes:
    """Return `event` as UTF-8 JSON. Any thread."""
    keys = _SNOWFLAKES[type(event)]
    if not keys:
        return _encode_json(event)
    # bytes pass through: the encoder writes base64 straight into the result
    fields: dict[str, Any] = msgspec.to_builtins(event, builtin_types=(bytes,))
    for key in keys & fields.keys():  # one that is None is not there
        fields[key] = str(fields[key])
    return _encode_json(fields)
