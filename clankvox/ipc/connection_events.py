"""Events of the connections: what the process, its transports and their encryption are doing."""

from typing import Final, Self

from clankvox.ids import ChannelId, ConnectionId, GuildId, Role, UserId
from clankvox.ipc.event import BaseEvent
from clankvox.ipc.message import Part
from clankvox.ipc.statuses import ConnectionStatus, DaveStatus, TransportStatus

PROTOCOL_VERSION: Final = 1
"""Of this contract; parents refuse any other."""
_OP_VOICE_STATE_UPDATE: Final = 4  # of the main gateway, which the parent owns


class ProcessReady(BaseEvent, frozen=True, kw_only=True):
    """The pipes are up. Once, and before anything else; `version` (of the program) is an addition."""

    protocol_version: int
    version: str | None = None


class Ready(BaseEvent, frozen=True, kw_only=True):
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


class AdapterSend(BaseEvent, frozen=True, kw_only=True):
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


class ConnectionState(BaseEvent, frozen=True, kw_only=True):
    """The voice connection changed."""

    status: ConnectionStatus
    connection_id: ConnectionId | None = None


class TransportState(BaseEvent, frozen=True, kw_only=True):
    """A role's transport changed. `connection_id` only for the voice role of a parent that gave one."""

    role: Role
    connection_id: ConnectionId | None = None
    status: TransportStatus
    reason: str | None = None


class Recovery(BaseEvent, frozen=True, kw_only=True):
    """Something is done because datagrams do not get through, or because nothing that is heard can be decrypted.

    An addition. `reason` is the proof: `frames_undecryptable`, `keepalives_unanswered` (in silence as well, but then
    for `udp` only), or why the UDP socket was lost. `step`, gentlest first, 5 s from one to the next: `udp` (a new
    socket, our address asked for anew), `dave` (asks to be added to the group anew; only for `frames_undecryptable`),
    `resume` (a new WebSocket for the session), `rejoin` (a new session; once in 5 minutes). The role voice takes all
    four, stream_watch the first three, stream_publish `udp` alone. Of the role voice the last two show as
    `reconnecting` as well; a stream is resumed without a word.
    """

    role: Role
    connection_id: ConnectionId | None = None
    step: str
    reason: str


class DaveState(BaseEvent, frozen=True, kw_only=True):
    """A role's end-to-end encryption changed. Every status but `cleared` says the protocol version.

    `ready` says that nothing leaves in clear, not that anything leaves. Alone in the channel it is said as well: then
    nothing leaves until somebody is there. While a group is made anew with members present (the first one joins, or
    the group is reset) nothing leaves either, and nothing is said of it for 2 s; after that `negotiating`, and `ready`
    once there is a group.
    """

    role: Role
    connection_id: ConnectionId | None = None
    status: DaveStatus
    protocol_version: int | None = None


class ClientDisconnect(BaseEvent, frozen=True, kw_only=True):
    """A user left the channel, and with him goes his capture.

    His `speaking_end` comes before. His last PCM and `user_audio_end` may be read later, because they have another
    lane: a capture is to be closed at its `user_audio_end`, and not here.
    """

    user_id: UserId


class ErrorEvent(BaseEvent, frozen=True, kw_only=True, tag="error"):
    """A rejected line (then without role and connection), or a fault of a role's transport."""

    code: str
    message: str
    role: Role | None = None
    connection_id: ConnectionId | None = None
