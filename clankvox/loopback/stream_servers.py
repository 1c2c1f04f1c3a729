"""Go Live's stream servers: each is one more voice server, with credentials of its own for every user."""

import secrets
from typing import Final, NamedTuple

from clankvox.errors import InvalidRequest
from clankvox.ids import ChannelId, GuildId, UserId

_MAX_ID: Final = 2**64 - 2


class StreamCredentials(NamedTuple):
    """What a parent hands to its media process to watch or publish a stream."""

    server_id: GuildId
    """`rtc_server_id` of STREAM_CREATE."""
    user_id: UserId
    session_id: str
    """Of the user's voice connection: a stream borrows it."""
    token: str

    @property
    def dave_channel_id(self) -> ChannelId:
        """The channel that names the MLS group."""
        return dave_channel(self.server_id)

    @property
    def rtc_channel_id(self) -> ChannelId:
        """`rtc_channel_id` of STREAM_CREATE, another number."""
        return ChannelId(self.server_id + 1)

    def __repr__(self) -> str:
        return f"StreamCredentials(server_id={self.server_id}, user_id={self.user_id})"

    def to_json(self, endpoint: str) -> dict[str, object]:
        """Return the fields of `stream_watch_connect` and `stream_publish_connect`."""
        return {
            "endpoint": endpoint,
            "token": self.token,
            "serverId": str(self.server_id),
            "sessionId": self.session_id,
            "userId": str(self.user_id),
            "daveChannelId": str(self.dave_channel_id),
            "rtcChannelId": str(self.rtc_channel_id),
        }


def dave_channel(server_id: GuildId) -> ChannelId:
    """Return the channel id of a stream server's MLS group: one less than the server's."""
    return ChannelId(server_id - 1)


class StreamServers:
    """Which server ids are streams, and who may come there. The event loop owns it."""

    def __init__(self) -> None:
        self._issued: dict[tuple[GuildId, UserId], StreamCredentials] = {}
        self._servers: set[GuildId] = set()

    def __contains__(self, server_id: object) -> bool:
        return server_id in self._servers

    def open(self, server_id: GuildId) -> None:
        """Make `server_id` a stream server; InvalidRequest if nothing is below or above it."""
        if not 1 <= server_id <= _MAX_ID:
            raise InvalidRequest("no id for a stream server")
        self._servers.add(server_id)

    def issue(self, server_id: GuildId, user_id: UserId, session_id: str) -> StreamCredentials:
        """Let `user_id` come to `server_id`; a former token of the user is void."""
        self.open(server_id)
        credentials = StreamCredentials(server_id, user_id, session_id, secrets.token_urlsafe(24))
        self._issued[server_id, user_id] = credentials
        return credentials

    def issued(self, server_id: GuildId, user_id: UserId) -> StreamCredentials | None:
        """Return what `user_id` has to show at `server_id`."""
        return self._issued.get((server_id, user_id))
