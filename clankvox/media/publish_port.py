"""What the publish actor needs of the shell that reads, encodes and sends our Go Live picture."""

from typing import NamedTuple, Protocol

from clankvox.ids import Attempt
from clankvox.media.stream_audio import StreamAudio
from clankvox.media.video_sender import VideoSender
from clankvox.media.video_target import VideoTarget


class PublishRequest(NamedTuple):
    """What to publish. Its repr shows nothing of the URL: paths and queries carry credentials."""

    url: str | None
    """None: the parent sends pictures (`offer_png`)."""
    direct: bool = False
    """The URL is media itself; else it is a page, and yt-dlp finds the media."""
    with_audio: bool = False
    visualizer_mode: str | None = None
    """Publish a picture of the sound instead of the video."""

    def __repr__(self) -> str:
        """See the class."""
        kind = "pictures" if self.url is None else f"url, direct={self.direct}"
        return f"PublishRequest({kind}, with_audio={self.with_audio}, visualizer_mode={self.visualizer_mode})"


class PublishPort(Protocol):
    """One source at a time, on a worker thread of its own. No method blocks; all are for the actor's thread.

    News come as messages.publish.PublishStarted (once per source and attempt, after the first access unit left the
    socket), PublishEnded and PublishFailed, each with the number of the source that it is about.
    """

    def start(self, source: int, request: PublishRequest, target: VideoTarget, audio: StreamAudio | None) -> None:
        """Replace the source; `audio` is filled if the request wants it. Nothing is read before a sender is there."""
        ...

    def stop(self) -> None:
        """End the source: nothing of it is queued any more, and what had not begun to leave never will. Idempotent."""
        ...

    def attach(self, attempt: Attempt, sender: VideoSender) -> None:
        """Send by `sender` from now on, from an IDR; the source goes on where it was held."""
        ...

    def detach(self) -> None:
        """Hold the source: the connection is gone. Idempotent."""
        ...

    def pause(self) -> None:
        """Hold the source, and drop what is queued. Idempotent."""
        ...

    def resume(self) -> None:
        """Go on, from an IDR; timestamps have advanced by the time that passed. Idempotent."""
        ...

    def force_idr(self) -> None:
        """Make an IDR as soon as the least interval between two allows it: somebody asked. Any thread."""
        ...

    def retarget(self, target: VideoTarget) -> None:
        """Encode by `target` from the next picture on, which is an IDR."""
        ...

    def want(self, *, wanted: bool) -> None:
        """Say whether anybody watches; while nobody does nothing is encoded, and media time goes on."""
        ...

    def offer_png(self, png: bytes, captured_at_ms: int) -> None:
        """Hand over a picture; the oldest of more than four that wait is dropped.

        Raises png_picture.PngRefused if it may not be decoded (nothing is decoded here), and another ClankvoxError
        (code `source_mismatch`) if the source that runs takes no pictures.
        """
        ...
