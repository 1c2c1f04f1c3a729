"""The publish worker and its way out, without threads and pictures: they record what the publish actor wants."""

from clankvox.ids import Attempt
from clankvox.media.png_picture import checked_png
from clankvox.media.publish_port import PublishRequest
from clankvox.media.stream_audio import StreamAudio
from clankvox.media.video_target import VideoTarget


class FakePublisher:
    """media.publish_port.PublishPort."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        """What was called, in order, without `want` and `offer_png`."""
        self.source = 0
        self.request: PublishRequest | None = None
        self.audio: StreamAudio | None = None
        self.attempt: Attempt | None = None
        self.wanted = True
        self.pictures: list[tuple[bytes, int]] = []

    def start(self, source: int, request: PublishRequest, target: VideoTarget, audio: StreamAudio | None) -> None:
        self.source, self.request, self.audio = source, request, audio
        self.calls.append(f"start {source}")

    def stop(self) -> None:
        self.request = None
        self.calls.append("stop")

    def attach(self, attempt: Attempt, sender: object) -> None:
        self.attempt = attempt
        self.calls.append("attach")

    def detach(self) -> None:
        self.attempt = None
        self.calls.append("detach")

    def pause(self) -> None:
        self.calls.append("pause")

    def resume(self) -> None:
        self.calls.append("resume")

    def force_idr(self) -> None:
        self.calls.append("idr")

    def retarget(self, target: VideoTarget) -> None:
        self.target = target
        self.calls.append("retarget")

    def want(self, *, wanted: bool) -> None:
        self.wanted = wanted

    def offer_png(self, png: bytes, captured_at_ms: int) -> None:
        checked_png(png)
        self.pictures.append((png, captured_at_ms))

    def new_calls(self) -> list[str]:
        calls, self.calls = self.calls, []
        return calls
