"""What a voice gateway announces about others and about sending: one message in, effects out. Pure, without memory.

Older servers use some numbers for other things, so the fields decide where a number does not.
"""

from collections.abc import Callable
from typing import Final

from clankvox.errors import WireError
from clankvox.ids import Ssrc, UserId
from clankvox.protocol.gateway_effects import (
    Effect,
    MemberDisconnected,
    MembersConnected,
    SessionUpdated,
    SpeakingAnnounced,
    VideoAnnounced,
    WantsAnnounced,
)
from clankvox.wire.gateway_ops import (
    ClientDisconnect,
    ClientsConnect,
    GatewayMessage,
    MediaSinkWants,
    Op,
    SessionUpdate,
    Speaking,
    Video,
    payload_of,
    payload_of_server,
    snowflake,
)

_VIDEO_FIELDS: Final = frozenset({"audio_ssrc", "video_ssrc", "streams"})


def news_of(message: GatewayMessage) -> list[Effect]:
    """Return what `message` announces, nothing if that is none of our business. Raises WireError."""
    read = _READERS.get(message.op)
    return [] if read is None else read(message)


def _speaking(message: GatewayMessage) -> list[Effect]:
    speaking = payload_of(message, Speaking)
    return [SpeakingAnnounced(_user(speaking.user_id), Ssrc(speaking.ssrc), speaking.speaking)]


def _clients_connect(message: GatewayMessage) -> list[Effect]:
    return [MembersConnected(tuple(_user(text) for text in payload_of(message, ClientsConnect).user_ids))]


def _client_disconnect(message: GatewayMessage) -> list[Effect]:
    return [MemberDisconnected(_user(payload_of(message, ClientDisconnect).user_id))]


def _video(message: GatewayMessage) -> list[Effect]:
    """Older servers write op 12 for a client that disconnected: then it has no field of a video state."""
    if isinstance(message.data, dict) and not _VIDEO_FIELDS & message.data.keys():
        return _client_disconnect(message)
    video = payload_of_server(message, Video)
    return [VideoAnnounced(_user(video.user_id), video)]


def _flags(message: GatewayMessage) -> list[Effect]:
    """Older servers write op 18 for a video state; client flags proper are none of our business."""
    if isinstance(message.data, dict) and _VIDEO_FIELDS & message.data.keys():
        return _video(message)
    return []


def _wants(message: GatewayMessage) -> list[Effect]:
    return [WantsAnnounced(payload_of(message, MediaSinkWants))]


def _session_update(message: GatewayMessage) -> list[Effect]:
    return [SessionUpdated(payload_of_server(message, SessionUpdate))]


_READERS: Final[dict[int, Callable[[GatewayMessage], list[Effect]]]] = {
    Op.SPEAKING: _speaking,
    Op.CLIENTS_CONNECT: _clients_connect,
    Op.CLIENT_DISCONNECT: _client_disconnect,
    Op.VIDEO: _video,
    Op.FLAGS: _flags,
    Op.MEDIA_SINK_WANTS: _wants,
    Op.SESSION_UPDATE: _session_update,
}


def _user(text: str | None) -> UserId:
    if text is None:
        raise WireError("no user id")
    return UserId(snowflake(text))
