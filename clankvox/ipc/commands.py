"""Every command of the parent, in one registry; the classes stand in a module for each noun.

A decoded command is already valid by itself: ids are u64, ranges are clamped, texts that the contract trims are
trimmed. What depends on the state of a call is for the actors. To add a command, write its class beside those of its
noun and list it in `Command`.
"""

from typing import Final, TypeAlias, get_args

from clankvox.ipc.connection_commands import (
    Destroy,
    Inspect,
    Join,
    Leave,
    StreamPublishConnect,
    StreamPublishDisconnect,
    StreamWatchConnect,
    StreamWatchDisconnect,
    VoiceServer,
    VoiceServerData,
    VoiceState,
    VoiceStateData,
)
from clankvox.ipc.message import wire_tag
from clankvox.ipc.music_commands import Duck, MusicPause, MusicPlay, MusicResume, MusicSetGain, MusicStop
from clankvox.ipc.sound_commands import (
    MAX_RATE_HZ,
    MIN_RATE_HZ,
    Audio,
    FinishTtsPlayback,
    StopPlayback,
    StopTtsPlayback,
    SubscribeUser,
    UnsubscribeUser,
)
from clankvox.ipc.video_commands import (
    StreamPublishBrowserFrame,
    StreamPublishBrowserStart,
    StreamPublishPause,
    StreamPublishPlay,
    StreamPublishPlayVisualizer,
    StreamPublishResume,
    StreamPublishStop,
    SubscribeUserVideo,
    UnsubscribeUserVideo,
)

__all__ = [
    "COMMANDS",
    "MAX_RATE_HZ",
    "MIN_RATE_HZ",
    "Audio",
    "Command",
    "Destroy",
    "Duck",
    "FinishTtsPlayback",
    "Inspect",
    "Join",
    "Leave",
    "MusicPause",
    "MusicPlay",
    "MusicResume",
    "MusicSetGain",
    "MusicStop",
    "StopPlayback",
    "StopTtsPlayback",
    "StreamPublishBrowserFrame",
    "StreamPublishBrowserStart",
    "StreamPublishConnect",
    "StreamPublishDisconnect",
    "StreamPublishPause",
    "StreamPublishPlay",
    "StreamPublishPlayVisualizer",
    "StreamPublishResume",
    "StreamPublishStop",
    "StreamWatchConnect",
    "StreamWatchDisconnect",
    "SubscribeUser",
    "SubscribeUserVideo",
    "UnsubscribeUser",
    "UnsubscribeUserVideo",
    "VoiceServer",
    "VoiceServerData",
    "VoiceState",
    "VoiceStateData",
]

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
