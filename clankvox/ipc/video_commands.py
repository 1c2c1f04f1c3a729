"""Commands of pictures: whom to see, and what to publish."""

from typing import Annotated

from msgspec import Meta
from msgspec.structs import force_setattr

from clankvox.ids import UserId
from clankvox.ipc.command import U32, BaseCommand
from clankvox.ipc.message import U64_END


class SubscribeUserVideo(BaseCommand, frozen=True, kw_only=True):
    """See a user's webcam and Go Live. No pixel count and no stream type: no preference."""

    user_id: UserId
    max_frames_per_second: U32 = 2
    preferred_quality: U32 = 100
    preferred_pixel_count: U32 | None = None
    preferred_stream_type: str | None = None
    """A stream's `type` as Discord's op 12 has it, such as `screen`; another one is shown if there is none of it."""
    jpeg_quality: U32 = 75

    def __post_init__(self) -> None:
        self._clamp("max_frames_per_second", 1, 30)
        self._clamp("preferred_quality", 0, 100)
        self._clamp("jpeg_quality", 10, 100)
        stream_type = (self.preferred_stream_type or "").strip().lower()
        force_setattr(self, "preferred_stream_type", stream_type or None)
        if self.preferred_pixel_count:
            self._clamp("preferred_pixel_count", 4_096, 8_294_400)
        else:
            force_setattr(self, "preferred_pixel_count", None)


class UnsubscribeUserVideo(BaseCommand, frozen=True, kw_only=True):
    """Stop seeing a user."""

    user_id: UserId


class StreamPublishPlay(BaseCommand, frozen=True, kw_only=True):
    """Publish a video. `with_audio` is an addition."""

    url: str
    resolved_direct_url: bool = False
    with_audio: bool = False

    def __post_init__(self) -> None:
        self._trim("url")


class StreamPublishPlayVisualizer(BaseCommand, frozen=True, kw_only=True):
    """Publish a picture of sound. `with_audio` is an addition."""

    url: str
    resolved_direct_url: bool = False
    visualizer_mode: str = "cqt"
    with_audio: bool = False

    def __post_init__(self) -> None:
        self._trim("url")
        if self.visualizer_mode not in {"cqt", "spectrum", "waves", "vectorscope"}:
            force_setattr(self, "visualizer_mode", "cqt")


class StreamPublishBrowserStart(BaseCommand, frozen=True, kw_only=True):
    """Publish pictures that the parent sends."""

    mime_type: str

    def __post_init__(self) -> None:
        self._trim("mime_type")

    @property
    def is_png(self) -> bool:
        """Whether it is the one type that is supported."""
        return self.mime_type.lower() == "image/png"


class StreamPublishBrowserFrame(BaseCommand, frozen=True, kw_only=True):
    """One picture of at most 6 MiB (see decoding.decode_picture). `captured_at_ms` counts from any origin."""

    mime_type: str
    frame_base64: str
    captured_at_ms: Annotated[int, Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        self._trim("mime_type")
        if self.captured_at_ms >= U64_END:
            raise ValueError("capturedAtMs must be below 2**64")  # msgspec makes it a ValidationError

    @property
    def is_png(self) -> bool:
        """Whether it is the one type that is supported."""
        return self.mime_type.lower() == "image/png"


class StreamPublishStop(BaseCommand, frozen=True, kw_only=True):
    """Publish nothing."""


class StreamPublishPause(BaseCommand, frozen=True, kw_only=True):
    """Hold the published source."""


class StreamPublishResume(BaseCommand, frozen=True, kw_only=True):
    """Go on with the published source."""
