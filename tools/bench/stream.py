"""Go Live beside a call: our role on a stream server of the offline Discord, and films and pictures to show there."""

import base64
import threading
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np

from clankvox.clock import SystemClock
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from tools.bench.call import OURSELVES, READY_S

CREDENTIALS: Final = ("endpoint", "token", "serverId", "sessionId", "userId", "daveChannelId", "rtcChannelId")
_PNG_BYTES: Final = 300_000
_PUBLISHER: Final = "701"
_WATCHER: Final = "801"


def connect(discord: OfflineDiscord, vox: VoxParent, role: str) -> str:
    """Take `role` (stream_watch or stream_publish) on a stream server of its own; returns its server id."""
    answer = discord.order({"type": "add_stream", "userId": OURSELVES})
    vox.send({"type": f"{role}_connect", **{name: answer[name] for name in CREDENTIALS}})
    return str(answer["serverId"])


def watch(discord: OfflineDiscord, vox: VoxParent, width: int, height: int, fps: int = 2) -> None:
    """Watch a member who shows 30 pictures a second, of which `fps` are wanted; returns at the first one."""
    server_id = connect(discord, vox, "stream_watch")
    shown = {"width": width, "height": height, "fps": 30, "clock": False}
    discord.order({"type": "add_publisher", "userId": _PUBLISHER, "serverId": server_id, **shown})
    vox.send({"type": "subscribe_user_video", "userId": _PUBLISHER, "maxFramesPerSecond": fps, "jpegQuality": 75})
    vox.wait_for("decoded_video_frame", userId=_PUBLISHER, timeout_s=READY_S)


def publish(discord: OfflineDiscord, vox: VoxParent, source: dict[str, object]) -> None:
    """Show `source` (a command) to a member who only counts; returns once it is connected and encrypted."""
    server_id = connect(discord, vox, "stream_publish")
    watcher = {"type": "add_watcher", "userId": _WATCHER, "serverId": server_id, "decode": False}
    discord.order(watcher)
    vox.wait_for("dave_state", role="stream_publish", status="ready", timeout_s=READY_S)
    vox.send(source)


def film_source(path: Path) -> dict[str, object]:
    """Return the command that shows a file."""
    return {"type": "stream_publish_play", "url": str(path), "resolvedDirectUrl": True}


class BrowserFrames:
    """Writes pictures of a page to stdin, `fps` a second on a thread of its own, until it is stopped."""

    def __init__(self, vox: VoxParent, fps: int = 8) -> None:
        self._vox, self._fps = vox, fps
        self._clock = SystemClock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._frames = [base64.b64encode(png(seed)).decode() for seed in range(4)]
        self.written = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        started = self._clock.now()
        while not self._ended.wait(max(0.0, started + self.written / self._fps - self._clock.now())):
            text = self._frames[self.written % len(self._frames)]
            at_ms = round(self._clock.now() * 1000)
            frame = {"mimeType": "image/png", "frameBase64": text, "capturedAtMs": at_ms}
            self._vox.send({"type": "stream_publish_browser_frame", **frame})
            self.written += 1


def png(seed: int, width: int = 1280, height: int = 720) -> bytes:
    """Return a 720p picture that takes 300 kB: a part of it is noise."""
    pixels = np.full((height, width, 3), 40 * seed % 256, np.uint8)
    rows = _PNG_BYTES // (3 * width)
    pixels[:rows] = np.random.default_rng(seed).integers(0, 256, (rows, width, 3), np.uint8)
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "rgb24"
    encoder.time_base = Fraction(1, 30)
    return b"".join(bytes(packet) for packet in encoder.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
