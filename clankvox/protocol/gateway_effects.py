"""What a voice gateway conversation wants done, and what it has learned; reprs show no secret and no raw bytes."""

from typing import NamedTuple

from clankvox.ids import Ssrc, UserId
from clankvox.protocol.close_codes import Recovery
from clankvox.wire.gateway_ops import (
    ExecuteTransition,
    MediaSinkWants,
    Op,
    PrepareEpoch,
    PrepareTransition,
    SessionUpdate,
    StreamDescription,
    Video,
)
from clankvox.wire.transport_crypto import TransportMode


class SendText(NamedTuple):
    """Send this text frame."""

    text: str

    def __repr__(self) -> str:
        return f"SendText(<{len(self.text)} characters>)"


class SendBinary(NamedTuple):
    """Send this binary frame."""

    data: bytes

    def __repr__(self) -> str:
        return f"SendBinary(<{len(self.data)} bytes>)"


class Discover(NamedTuple):
    """Open UDP towards the media server, find out our public address there, and report it with `discovered`."""

    ip: str
    port: int
    ssrc: Ssrc


class SessionReady(NamedTuple):
    """The handshake is complete: media may flow as far as DAVE allows (`dave_version` 0: no DAVE was negotiated).

    `secret_key` is the transport key, 32 bytes; `streams` are our own video SSRCs; `video_codec` is what we must send.
    """

    ssrc: Ssrc
    mode: TransportMode
    secret_key: bytes
    dave_version: int
    streams: tuple[StreamDescription, ...]
    ip: str
    port: int
    video_codec: str | None
    keyframe_interval_ms: float | None = None

    def __repr__(self) -> str:
        return (
            f"SessionReady(ssrc={self.ssrc}, mode={self.mode.value!r}, secret_key=<secret>, "
            f"dave_version={self.dave_version}, streams={len(self.streams)}, video_codec={self.video_codec!r})"
        )


class SessionResumed(NamedTuple):
    """The session goes on on this socket; whatever waited for it may be sent."""


class DaveMessage(NamedTuple):
    """An opcode of DAVE: ops 21, 22 and 24 with their payload, 25, 27, 29 and 30 with the bytes after the opcode."""

    op: Op
    payload: PrepareTransition | ExecuteTransition | PrepareEpoch | bytes

    def __repr__(self) -> str:
        shown = f"<{len(self.payload)} bytes>" if isinstance(self.payload, bytes) else repr(self.payload)
        return f"DaveMessage(op={self.op.name}, payload={shown})"


class SpeakingAnnounced(NamedTuple):
    """Op 5: `user_id` sends on `ssrc`; `flags` as `SpeakingFlag`, 0 when the user fell silent."""

    user_id: UserId
    ssrc: Ssrc
    flags: int


class MembersConnected(NamedTuple):
    """Op 11: these users are there."""

    user_ids: tuple[UserId, ...]


class MemberDisconnected(NamedTuple):
    """Op 13: this user is gone."""

    user_id: UserId


class VideoAnnounced(NamedTuple):
    """Op 12: what video `user_id` sends now; absent `streams` mean the same ones as before."""

    user_id: UserId
    video: Video


class WantsAnnounced(NamedTuple):
    """Op 15: how much of our own video the others want to see."""

    wants: MediaSinkWants


class SessionUpdated(NamedTuple):
    """Op 14: what is to be sent from now on; absent values stay as they are."""

    update: SessionUpdate


class CloseSocket(NamedTuple):
    """Close the socket with `code`: the conversation is over. `reason` is for events, `recovery` says what may help."""

    code: int
    reason: str
    recovery: Recovery


Effect = (
    SendText
    | SendBinary
    | Discover
    | SessionReady
    | SessionResumed
    | DaveMessage
    | SpeakingAnnounced
    | MembersConnected
    | MemberDisconnected
    | VideoAnnounced
    | WantsAnnounced
    | SessionUpdated
    | CloseSocket
)
