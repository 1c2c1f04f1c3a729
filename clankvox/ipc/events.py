"""Every event for the parent, in one registry; the classes stand in a module for each noun.

A class knows its lane and whether it is telemetry. To add an event, write its class beside those of its noun and list
it in `Event`.
"""

from typing import Any, Final, TypeAlias, get_args

import msgspec

from clankvox.ipc.connection_events import (
    PROTOCOL_VERSION,
    AdapterSend,
    ClientDisconnect,
    ConnectionState,
    DaveState,
    ErrorEvent,
    GatewayPayload,
    ProcessReady,
    Ready,
    Recovery,
    TransportState,
    VoiceStateUpdate,
)
from clankvox.ipc.event import BaseEvent
from clankvox.ipc.message import snowflake_keys, wire_tag
from clankvox.ipc.music_events import MusicError, MusicGainReached, MusicIdle, PlaybackPosition, PlayerState
from clankvox.ipc.sound_events import (
    BufferDepth,
    PlaybackArmed,
    Segment,
    SpeakingEnd,
    SpeakingStart,
    TtsBufferOverflow,
    TtsPlaybackState,
    UserAudioEnd,
)
from clankvox.ipc.telemetry_events import ActorView, Inspect, Log, StreamStats, TimerView, TransportStats
from clankvox.ipc.video_events import (
    DecodedVideoFrame,
    MaxResolution,
    StreamPublishMediaStarted,
    UserVideoEnd,
    UserVideoFrame,
    UserVideoState,
    VideoStream,
)

__all__ = [
    "EVENTS",
    "PROTOCOL_VERSION",
    "ActorView",
    "AdapterSend",
    "BufferDepth",
    "ClientDisconnect",
    "ConnectionState",
    "DaveState",
    "DecodedVideoFrame",
    "ErrorEvent",
    "Event",
    "GatewayPayload",
    "Inspect",
    "Log",
    "MaxResolution",
    "MusicError",
    "MusicGainReached",
    "MusicIdle",
    "PlaybackArmed",
    "PlaybackPosition",
    "PlayerState",
    "ProcessReady",
    "Ready",
    "Recovery",
    "Segment",
    "SpeakingEnd",
    "SpeakingStart",
    "StreamPublishMediaStarted",
    "StreamStats",
    "TimerView",
    "TransportState",
    "TransportStats",
    "TtsBufferOverflow",
    "TtsPlaybackState",
    "UserAudioEnd",
    "UserVideoEnd",
    "UserVideoFrame",
    "UserVideoState",
    "VideoStream",
    "VoiceStateUpdate",
    "encode_event",
]

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

EVENTS: Final[dict[str, type[BaseEvent]]] = {wire_tag(event): event for event in get_args(Event)}
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
