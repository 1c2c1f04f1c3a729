"""Events of pictures: what others show, and that ours are seen."""

from typing import ClassVar

import msgspec

from clankvox.ids import Role, UserId
from clankvox.ipc.event import BaseEvent
from clankvox.ipc.message import Part
from clankvox.ipc.statuses import LaneName


class MaxResolution(Part, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What a sender says it sends at most, in pixels."""

    width: int | None = None
    height: int | None = None
    type: str | None = None


class VideoStream(Part, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One video stream that a user announced. `max_bitrate` in bit/s."""

    ssrc: int
    rtx_ssrc: int | None = None
    rid: str | None = None
    quality: int | None = None
    stream_type: str | None = None
    active: bool | None = None
    max_bitrate: int | None = None
    max_framerate: float | None = None
    max_resolution: MaxResolution | None = None


class UserVideoState(BaseEvent, frozen=True, kw_only=True):
    """What a user announced, merged over the roles."""

    user_id: UserId
    audio_ssrc: int | None = None
    video_ssrc: int | None = None
    codec: str | None = None
    """Absent as long as servers do not announce it, which none does; `user_video_frame` has it."""
    streams: tuple[VideoStream, ...]


class UserVideoFrame(BaseEvent, frozen=True, kw_only=True):
    """A key frame of VP8 as it was sent, for a parent without a connection id. `rtp_timestamp` counts 90 kHz.

    The next one is asked for a second later. What lies between is not passed on; H264 is always decoded.
    """

    lane: ClassVar[LaneName] = LaneName.VIDEO

    role: Role
    user_id: UserId
    ssrc: int
    codec: str
    keyframe: bool
    frame: bytes = msgspec.field(name="frameBase64")
    rtp_timestamp: int
    stream_type: str | None = None
    rid: str | None = None
    dave_decrypted: bool


class DecodedVideoFrame(BaseEvent, frozen=True, kw_only=True):
    """A decoded picture as JPEG, in the union of what all client generations read. Scores are 0 to 1."""

    lane: ClassVar[LaneName] = LaneName.VIDEO

    role: Role
    user_id: UserId
    ssrc: int
    width: int
    height: int
    jpeg: bytes = msgspec.field(name="jpegBase64")
    rtp_timestamp: int
    stream_type: str | None = None
    rid: str | None = None
    change_score: float
    ema_change_score: float
    is_scene_cut: bool


class UserVideoEnd(BaseEvent, frozen=True, kw_only=True):
    """A user's video is gone."""

    user_id: UserId
    ssrc: int | None = None


class StreamPublishMediaStarted(BaseEvent, frozen=True, kw_only=True):
    """The first picture of a source was sent on this connection. Both generations count from 1."""

    role: Role
    connection_generation: int
    source_generation: int
