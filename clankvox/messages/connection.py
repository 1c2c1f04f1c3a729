"""What a connection actor (one of the three roles) receives."""

from typing import Any

from msgspec import UNSET, UnsetType

from clankvox.ids import Attempt, ChannelId, ConnectionId, GuildId, Ssrc, UserId
from clankvox.messages.common import Message, ResetBaton


class Join(Message, frozen=True, kw_only=True):
    """Router: the parent wants to be in this channel."""

    connection_id: ConnectionId | None
    guild_id: GuildId
    channel_id: ChannelId
    self_mute: bool


class Leave(Message, frozen=True, kw_only=True):
    """Router: the parent wants to leave, with op 4."""

    reason: str


class VoiceServerUpdated(Message, frozen=True, kw_only=True):
    """Router: the main gateway announced a voice server (None: it went away)."""

    endpoint: str | None
    token: str | None
    guild_id: GuildId | None

    def __repr__(self) -> str:
        """Never show credentials."""
        return "VoiceServerUpdated(...)"


class VoiceStateUpdated(Message, frozen=True, kw_only=True):
    """Router: the main gateway announced our own voice state; an absent key is UNSET, a cleared one None."""

    session_id: str | UnsetType | None = UNSET
    user_id: UserId | UnsetType | None = UNSET
    channel_id: ChannelId | UnsetType | None = UNSET
    guild_id: GuildId | UnsetType | None = UNSET

    def __repr__(self) -> str:
        """Never show the session."""
        return "VoiceStateUpdated(...)"


class StreamConnect(Message, frozen=True, kw_only=True):
    """Router: the parent has credentials of a Go Live stream; a connection that is there is replaced."""

    endpoint: str
    token: str
    server_id: GuildId
    channel_id: ChannelId
    session_id: str
    user_id: UserId
    group_id: ChannelId
    """Names the stream's DAVE group."""

    def __repr__(self) -> str:
        """Never show credentials."""
        return "StreamConnect(...)"


class StreamDisconnect(Message, frozen=True, kw_only=True):
    """Router: the parent wants no more of the stream."""

    reason: str


class Close(Message, frozen=True, kw_only=True):
    """Router: the process ends; close sockets, send no op 4, answer with Settled."""

    reason: str


class SocketOpened(Message, frozen=True, kw_only=True):
    """WebSocket shell: TCP, TLS and the upgrade are done."""

    attempt: Attempt


class SocketText(Message, frozen=True, kw_only=True):
    """WebSocket shell: one JSON message arrived."""

    attempt: Attempt
    text: str

    def __repr__(self) -> str:
        """Contents may hold keys."""
        return f"SocketText(attempt={self.attempt}, {len(self.text)} chars)"


class SocketBinary(Message, frozen=True, kw_only=True):
    """WebSocket shell: one binary (DAVE) message arrived."""

    attempt: Attempt
    data: bytes

    def __repr__(self) -> str:
        """Contents may hold key material."""
        return f"SocketBinary(attempt={self.attempt}, {len(self.data)} bytes)"


class SocketLost(Message, frozen=True, kw_only=True):
    """WebSocket shell: the socket is gone, or could not be opened; `close_code` is None without a close frame."""

    attempt: Attempt
    close_code: int | None
    reason: str


class UdpLost(Message, frozen=True, kw_only=True):
    """UDP shell: the socket cannot be used any more."""

    attempt: Attempt
    reason: str


class DiscoveryReplied(Message, frozen=True, kw_only=True):
    """Receive path: the server's answer to IP discovery."""

    attempt: Attempt
    address: str
    port: int


class PongReceived(Message, frozen=True, kw_only=True):
    """Receive path: the server answered UDP keepalive `counter`."""

    attempt: Attempt
    counter: int


class DeadlineReached(Message, frozen=True, kw_only=True):
    """Own timer: the handshake of `attempt` took too long."""

    attempt: Attempt


class AskDue(Message, frozen=True, kw_only=True):
    """Own timer: back-off is over, and credentials are asked for once more; `attempt` is the one that failed."""

    attempt: Attempt


class RetryDue(Message, frozen=True, kw_only=True):
    """Own timer: the wait before the next attempt is over; `attempt` is the one that failed."""

    attempt: Attempt


class ResumeDue(Message, frozen=True, kw_only=True):
    """Own timer: open the socket that goes on with the session; `attempt` is that socket's number."""

    attempt: Attempt


class OutageOverdue(Message, frozen=True, kw_only=True):
    """Own timer: the call was not to be had again in time; `outage` numbers the losses."""

    outage: int


class CredentialsOverdue(Message, frozen=True, kw_only=True):
    """Own timer: the wait for a move or for new credentials that began with `attempt` is over."""

    attempt: Attempt


class GatewayPoll(Message, frozen=True, kw_only=True):
    """Own timer: the gateway protocol has something to do (heartbeat, ack supervision)."""

    attempt: Attempt


class DiscoveryPoll(Message, frozen=True, kw_only=True):
    """Own timer: repeat the IP discovery request."""

    attempt: Attempt


class KeepaliveDue(Message, frozen=True, kw_only=True):
    """Own timer: look at what is heard, and send the UDP keepalive if it is due or the last was not answered."""

    attempt: Attempt


class FarewellDue(Message, frozen=True, kw_only=True):
    """Own timer: look whether all that `user_id` said before he left, at `left_at` (s), has been heard."""

    attempt: Attempt
    user_id: UserId
    left_at: float
    look: int = 1


class ReadOutDue(Message, frozen=True, kw_only=True):
    """Own timer: look whether the UDP thread has read what came before a member left."""

    attempt: Attempt


class ResetOverdue(Message, frozen=True, kw_only=True):
    """Own timer: the baton of `ticket` did not come back."""

    ticket: int


class SendSpeaking(Message, frozen=True, kw_only=True):
    """Playback: announce our speaking flags (op 5)."""

    ssrc: Ssrc
    flags: int


class SendGatewayJson(Message, frozen=True, kw_only=True):
    """DAVE actor: send this JSON opcode on the voice gateway."""

    attempt: Attempt
    op: int
    payload: Any


class SendGatewayBinary(Message, frozen=True, kw_only=True):
    """DAVE actor: send this binary opcode on the voice gateway."""

    attempt: Attempt
    op: int
    payload: bytes


class PublishPathTaken(Message, frozen=True, kw_only=True):
    """Publish: what is published leaves on this link from now on, and the parent was told so."""

    attempt: Attempt


class TransitionPrepared(Message, frozen=True, kw_only=True):
    """DAVE actor: a transition is announced and not yet executed."""

    attempt: Attempt


class TransitionSettled(Message, frozen=True, kw_only=True):
    """DAVE actor: no transition is pending any more."""

    attempt: Attempt


class Revived(Message, frozen=True, kw_only=True):
    """Router: you replace an actor that failed; go on with what the parent asked of it, on a link of your own.

    A Join comes with the last voice_server and voice_state, if there were any; a StreamConnect alone.
    """

    orders: tuple[Message, ...]
    quietly: bool
    """An order follows that ends all this: open nothing and tell nobody."""
    was_linked: bool
    """The parent has seen a connection, or that it is being had again: it must see how that ends."""
    awaits_move: bool = False
    """See ConnectionReported."""

    def __repr__(self) -> str:
        """Never show credentials."""
        return f"Revived({len(self.orders)} orders, quietly={self.quietly})"


class SessionLost(Message, frozen=True, kw_only=True):
    """Router: the DAVE actor of this session failed, and its group with it; identify anew."""

    reason: str


ConnectionOrder = Join | Leave | VoiceServerUpdated | VoiceStateUpdated | StreamConnect | StreamDisconnect | Close
"""What the router sends for a command of the parent; each is answered with Settled."""

OfSocket = SocketOpened | SocketText | SocketBinary | SocketLost | DeadlineReached | GatewayPoll | ResumeDue
"""Their `attempt` is the number of a WebSocket."""

OfSession = (
    UdpLost
    | DiscoveryReplied
    | PongReceived
    | DiscoveryPoll
    | KeepaliveDue
    | FarewellDue
    | ReadOutDue
    | SendGatewayJson
    | SendGatewayBinary
    | PublishPathTaken
)
"""Their `attempt` is the number of a session."""

ConnectionMessage = (
    ConnectionOrder
    | SocketOpened
    | SocketText
    | SocketBinary
    | SocketLost
    | UdpLost
    | DiscoveryReplied
    | PongReceived
    | DeadlineReached
    | AskDue
    | RetryDue
    | ResumeDue
    | OutageOverdue
    | CredentialsOverdue
    | GatewayPoll
    | DiscoveryPoll
    | KeepaliveDue
    | FarewellDue
    | ReadOutDue
    | ResetOverdue
    | SendSpeaking
    | SendGatewayJson
    | SendGatewayBinary
    | PublishPathTaken
    | TransitionPrepared
    | TransitionSettled
    | Revived
    | SessionLost
    | ResetBaton
)
