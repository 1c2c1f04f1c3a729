"""What the parent's gateway told us about our voice session, piece by piece and in any order."""

from typing import NamedTuple

from clankvox.ids import ChannelId, GuildId, UserId
from clankvox.protocol.session_offer import SessionCredentials


class Credentials(NamedTuple):
    """Endpoint and token come with one gateway event, session and user with another. Immutable."""

    endpoint: str | None = None
    token: str | None = None
    session_id: str | None = None
    user_id: UserId | None = None

    def __repr__(self) -> str:
        """Never show secrets."""
        known = [name for name, value in zip(self._fields, self, strict=True) if value is not None]
        return f"Credentials(known={known})"

    @property
    def server(self) -> tuple[str | None, str | None]:
        """What a voice server update brings."""
        return (self.endpoint, self.token)

    @property
    def identity(self) -> tuple[str | None, UserId | None]:
        """What a voice state update brings."""
        return (self.session_id, self.user_id)

    @property
    def has_server(self) -> bool:
        """Whether endpoint and token are known."""
        return self.endpoint is not None and self.token is not None

    @property
    def has_identity(self) -> bool:
        """Whether session and user are known."""
        return self.session_id is not None and self.user_id is not None

    @property
    def complete(self) -> bool:
        """Whether a connection can be made."""
        return self.has_server and self.has_identity

    def with_server(self, endpoint: str | None, token: str | None) -> "Credentials":
        """Replace endpoint and token; half of a pair is worth nothing."""
        if endpoint is None or token is None:
            endpoint = token = None
        return self._replace(endpoint=endpoint, token=token)

    def with_session(self, session_id: str | None) -> "Credentials":
        """Replace the session."""
        return self._replace(session_id=session_id)

    def with_user(self, user_id: UserId | None) -> "Credentials":
        """Replace the user."""
        return self._replace(user_id=user_id)

    def or_else(self, other: "Credentials") -> "Credentials":
        """Fill what is missing from `other`; endpoint and token go together."""
        server = self if self.has_server else other
        return Credentials(
            endpoint=server.endpoint,
            token=server.token,
            session_id=self.session_id if self.session_id is not None else other.session_id,
            user_id=self.user_id if self.user_id is not None else other.user_id,
        )

    def for_gateway(self, guild_id: GuildId, channel_id: ChannelId) -> SessionCredentials:
        """Return what Identify needs; the caller has asked `complete`."""
        return SessionCredentials(
            server_id=guild_id,
            channel_id=channel_id,
            user_id=UserId(self.user_id or 0),
            session_id=self.session_id or "",
            token=self.token or "",
        )
