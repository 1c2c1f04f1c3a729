"""What a video actor (what is seen on one receiving role) receives."""

from typing import Any

from clankvox.ids import Attempt, Ssrc, UserId
from clankvox.messages.common import Message, ResetBaton


class SubscribeVideo(Message, frozen=True, kw_only=True):
    """Router: the parent wants to see this user; replaces an older subscription."""

    user_id: UserId
    max_frames_per_second: int
    quality: int
    pixel_count: int | None
    stream_type: str | None
    jpeg_quality: int
    decode_vp8: bool
    """False: the parent decodes VP8 itself."""


class UnsubscribeVideo(Message, frozen=True, kw_only=True):
    """Router: the parent does not want to see this user any more."""

    user_id: UserId


class VideoLinkReady(Message, frozen=True, kw_only=True):
    """Connection: the session is there; what is wanted can be said."""

    attempt: Attempt


class VideoLinkLost(Message, frozen=True, kw_only=True):
    """Connection: the link is gone, and with it every SSRC; subscriptions stay."""


class VideoStateAnnounced(Message, frozen=True, kw_only=True):
    """Connection: op 12, what a user sends now (a wire.gateway_payloads.Video)."""

    attempt: Attempt
    user_id: UserId
    video: Any


class VideoMemberGone(Message, frozen=True, kw_only=True):
    """Connection: the user left (op 13)."""

    user_id: UserId


class PictureOverdue(Message, frozen=True, kw_only=True):
    """Receive path: a stream that is wanted has no picture that could be decoded; say again what is wanted."""

    ssrc: Ssrc


class VideoRevived(Message, frozen=True, kw_only=True):
    """Router: you replace an actor that failed: what is wanted and, on a link that is up, what others send."""

    subscriptions: tuple[SubscribeVideo, ...]
    attempt: Attempt | None
    """Of the link; None without one."""
    announced: dict[UserId, Any]
    """By user, a protocol.remote_video.RemoteVideo each."""


VideoMessage = (
    SubscribeVideo
    | UnsubscribeVideo
    | VideoLinkReady
    | VideoLinkLost
    | VideoStateAnnounced
    | VideoMemberGone
    | PictureOverdue
    | VideoRevived
    | ResetBaton
)
