"""Names for the numbers and strings that travel between layers.

Everyone may import this module; it imports nothing of ours.
"""

from enum import StrEnum
from typing import Final, NamedTuple, NewType

UserId = NewType("UserId", int)
"""A Discord user snowflake (u64)."""
GuildId = NewType("GuildId", int)
ChannelId = NewType("ChannelId", int)
Ssrc = NewType("Ssrc", int)
"""An RTP synchronisation source (u32), private to one voice connection."""
TransitionId = NewType("TransitionId", int)
"""A DAVE transition id (u16); 0 means (re)initialisation and is as valid as any other."""
ConnectionId = NewType("ConnectionId", str)
CaptureId = NewType("CaptureId", str)
PlaybackId = NewType("PlaybackId", str)
MusicId = NewType("MusicId", str)
Track = NewType("Track", int)
"""Number of one piece of music as it is heard; each has one source, whose attempt has the same number."""
Attempt = NewType("Attempt", int)
"""Number of one asynchronous try; every answer carries it, and a stale answer is dropped."""


def next_attempt(attempt: Attempt) -> Attempt:
    """Return the number of the try after `attempt`."""
    return Attempt(attempt + 1)


class Role(StrEnum):
    """A connection role: its own socket, DAVE group, machine and generation."""

    VOICE = "voice"
    STREAM_WATCH = "stream_watch"
    STREAM_PUBLISH = "stream_publish"


class ActorKind(StrEnum):
    """What an actor is for; with role and user it makes an address."""

    ROUTER = "router"
    CONNECTION = "connection"
    DAVE = "dave"
    CAPTURE = "capture"
    PLAYBACK = "playback"
    MUSIC = "music"
    PUBLISH = "publish"
    VIDEO = "video"


class Address(NamedTuple):
    """Where the router delivers an envelope. Equal addresses name the same actor."""

    kind: ActorKind
    role: Role = Role.VOICE
    user_id: UserId | None = None


ROUTER: Final = Address(ActorKind.ROUTER)
PLAYBACK: Final = Address(ActorKind.PLAYBACK)
MUSIC: Final = Address(ActorKind.MUSIC)
PUBLISH: Final = Address(ActorKind.PUBLISH, Role.STREAM_PUBLISH)


def connection_address(role: Role) -> Address:
    """Address of the actor that owns `role`'s sockets."""
    return Address(ActorKind.CONNECTION, role)


def dave_address(role: Role) -> Address:
    """Address of `role`'s DAVE actor."""
    return Address(ActorKind.DAVE, role)


def video_address(role: Role) -> Address:
    """Address of the actor of what is seen on `role`."""
    return Address(ActorKind.VIDEO, role)


def capture_address(user_id: UserId, role: Role = Role.VOICE) -> Address:
    """Address of the capture actor of one user on one role."""
    return Address(ActorKind.CAPTURE, role, user_id)
