"""Commands of the connections: be in a call, watch a stream, publish one, end."""

from msgspec import UNSET, UnsetType

from clankvox.ids import ChannelId, ConnectionId, GuildId, UserId
from clankvox.ipc import dialects
from clankvox.ipc.command import BaseCommand
from clankvox.ipc.message import Part


class Join(BaseCommand, frozen=True, kw_only=True):
    """Be in a voice channel. A private call has the channel's id as guild. `self_deaf` is taken and ignored."""

    connection_id: ConnectionId | None = None
    guild_id: GuildId
    channel_id: ChannelId
    self_mute: bool = False
    self_deaf: bool = False

    def __post_init__(self) -> None:
        dialects.check_connection_id(self.connection_id)


class Leave(BaseCommand, frozen=True, kw_only=True):
    """Be in no voice channel."""

    reason: str = "explicit_leave"


class VoiceServerData(Part, frozen=True, kw_only=True):
    """Discord's VOICE_SERVER_UPDATE; what is missing is null."""

    endpoint: str | None = None
    token: str | None = None
    guild_id: GuildId | None = None


class VoiceServer(BaseCommand, frozen=True, kw_only=True):
    """The parent's gateway told where the voice server is."""

    data: VoiceServerData


class VoiceStateData(Part, frozen=True, kw_only=True):
    """Discord's VOICE_STATE_UPDATE of our account: what is absent stays as it is, null clears it."""

    session_id: str | UnsetType | None = UNSET
    user_id: UserId | UnsetType | None = UNSET
    channel_id: ChannelId | UnsetType | None = UNSET
    guild_id: GuildId | UnsetType | None = UNSET


class VoiceState(BaseCommand, frozen=True, kw_only=True):
    """The parent's gateway told where our account is."""

    data: VoiceStateData


class StreamWatchConnect(BaseCommand, frozen=True, kw_only=True):
    """Connect to a Go Live stream in order to watch it."""

    endpoint: str
    """Of the gateway's STREAM_SERVER_UPDATE."""
    token: str
    """Of STREAM_SERVER_UPDATE."""
    server_id: GuildId
    """`rtc_server_id` of STREAM_CREATE."""
    session_id: str
    """Of the voice call: `session_id` of our VOICE_STATE_UPDATE."""
    user_id: UserId
    """Our account."""
    dave_channel_id: ChannelId
    """`rtc_server_id` less one, counted as a u64 (in JavaScript a BigInt)."""
    rtc_channel_id: ChannelId | None = None
    """An addition: `rtc_channel_id` of STREAM_CREATE; without it the server is told the DAVE channel."""


class StreamPublishConnect(BaseCommand, frozen=True, kw_only=True):
    """Connect to our own Go Live stream in order to publish; its fields are those of `stream_watch_connect`."""

    endpoint: str
    token: str
    server_id: GuildId
    session_id: str
    user_id: UserId
    dave_channel_id: ChannelId
    rtc_channel_id: ChannelId | None = None
    """An addition."""


class StreamWatchDisconnect(BaseCommand, frozen=True, kw_only=True):
    """Stop watching."""

    reason: str = "stream_watch_disconnect"


class StreamPublishDisconnect(BaseCommand, frozen=True, kw_only=True):
    """Stop publishing."""

    reason: str = "stream_publish_disconnect"


class Destroy(BaseCommand, frozen=True, kw_only=True):
    """End the process."""


class Inspect(BaseCommand, frozen=True, kw_only=True):
    """An addition: describe yourself."""
