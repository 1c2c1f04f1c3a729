"""A stream server (Go Live) beside a call of the real process: its members, our role on it, and what was seen."""

import base64
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import simplejpeg

from clankvox.demo.parent import Event
from clankvox.loopback.clock_picture import ClockPicture, Stamp, read_clock
from tests.support.coded_video import psnr_db
from tests.support.process_call import SESSION, Call, eventually

CREDENTIALS = ("endpoint", "token", "serverId", "sessionId", "userId", "daveChannelId", "rtcChannelId")
FILM_FPS = 30
BEEP_HZ = 1_000
BEEP_S = 0.06


class Shown(NamedTuple):
    """A picture as the parent got it."""

    body: dict[str, Any]
    rgb: np.ndarray
    stamp: Stamp | None
    """What the clock in it says."""


class StreamCall:
    """Our `role` on a stream server of its own. The process keeps stream roles over calls, so `leave` it."""

    def __init__(self, call: Call, role: str) -> None:
        self.call, self.vox, self.discord, self.role = call, call.vox, call.discord, role
        self.credentials = self.admit(call.me)
        self.server = self.credentials["serverId"]
        self._members: list[str] = []

    def admit(self, user_id: str, **where: str) -> dict[str, str]:
        """Let a user come who needs credentials."""
        order = {"type": "add_stream", "userId": user_id, "sessionId": f"{SESSION}-{user_id}", **where}
        answer = self.discord.order(order)
        return {name: answer[name] for name in CREDENTIALS}

    def connect(self) -> None:
        self.vox.send({"type": f"{self.role}_connect", **self.credentials})

    def disconnect(self) -> None:
        since = self.vox.mark()
        self.vox.send({"type": f"{self.role}_disconnect"})
        self.call.wait_for("transport_state", since=since, role=self.role, status="disconnected")

    def enter(self) -> None:
        """Connect, and wait until it is encrypted."""
        since = self.vox.mark()
        self.connect()
        self.call.wait_for("transport_state", since=since, role=self.role, status="ready")
        self.call.wait_for("dave_state", since=since, role=self.role, status="ready")

    def leave(self) -> None:
        """Be as if nothing had been; nothing of ours left in clear."""
        seen = self.seen(self.call.me)
        assert (seen.get("plaintextFrames", 0), seen.get("plaintextInTransition", 0)) == (0, 0)
        for video in seen.get("video", {}).values():
            assert (video["plaintextPictures"], video["plaintextInTransition"]) == (0, 0)
        self.disconnect()
        for user_id in self._members:
            self.vox.send({"type": "unsubscribe_user_video", "userId": user_id})
            self.remove(user_id)

    def add(self, kind: str, *, webcam: bool = False, **order: Any) -> str:
        """Add a publisher or a watcher here, or in the call; returns its user id."""
        user_id = str(next(self.call._members))
        server = self.call.guild if webcam else self.server
        self.discord.order({"type": f"add_{kind}", "userId": user_id, "serverId": server, **order})
        self._members.append(user_id)
        return user_id

    def remove(self, user_id: str) -> None:
        self.discord.order({"type": "remove_member", "userId": user_id})

    def subscribe(self, user_id: str, fps: int = 30, **options: Any) -> None:
        command = {"type": "subscribe_user_video", "userId": user_id, "maxFramesPerSecond": fps, "jpegQuality": 90}
        self.vox.send({**command, **options})

    # --- what was seen ---

    def told(self, since: int | None = None) -> list[str]:
        """What the parent was told of this role, but pictures: type, status and reason."""
        return [
            " ".join(str(body[key]) for key in ("type", "code", "status", "reason") if key in body)
            for body in self.call.told(since)
            if body.get("role") == self.role and body["type"] != "decoded_video_frame"
        ]

    def pictures(self, user_id: str, since: int | None = None) -> list[Event]:
        entries = self.vox.entries[self.call.start if since is None else since :]
        return [
            entry
            for entry in entries
            if isinstance(entry, Event) and entry.type == "decoded_video_frame" and entry.body["userId"] == user_id
        ]

    def wait_pictures(self, user_id: str, count: int, since: int | None = None) -> list[Shown]:
        """Return the first pictures of a user, once so many have come."""
        eventually(lambda: len(self.pictures(user_id, since)) >= count, f"{count} pictures of {user_id}")
        return [shown(event) for event in self.pictures(user_id, since)[:count]]

    def seen(self, user_id: str, server: str | None = None) -> dict[str, Any]:
        """What the media server counted of a member here; {} if it is not there."""
        wanted = server or self.server
        clients = self.discord.stats()["clients"]
        return next((each for each in clients if (each["userId"], each["serverId"]) == (user_id, wanted)), {})

    def watched(self, watcher: str) -> dict[str, Any]:
        """What a watcher here saw of us so far; {} as long as it is nothing."""
        return dict(self.seen(watcher)["watched"].get(self.call.me, {}))

    def wait_watched(self, watcher: str, pictures: int) -> dict[str, Any]:
        """Return what a watcher saw once it has decoded so many pictures of ours."""
        eventually(lambda: self.watched(watcher).get("decoded", 0) >= pictures, f"{pictures} pictures watched")
        return self.watched(watcher)


def shown(event: Event) -> Shown:
    """Open a `decoded_video_frame`."""
    jpeg = base64.b64decode(event.body["jpegBase64"], validate=True)
    rgb = simplejpeg.decode_jpeg(jpeg, "RGB")
    return Shown(event.body, rgb, read_clock(simplejpeg.decode_jpeg(jpeg, "GRAY")[..., 0]))


def counters(pictures: Sequence[Shown]) -> list[int]:
    """The numbers in the pictures, each of which has to be readable."""
    assert all(picture.stamp is not None for picture in pictures), "a clock that cannot be read"
    return [picture.stamp.counter for picture in pictures if picture.stamp is not None]


def source_psnr_db(picture: Shown) -> float:
    """How near a picture is to the one that its publisher drew, in RGB."""
    height, width, _ = picture.rgb.shape
    assert picture.stamp is not None
    planes = ClockPicture(width, height).draw(picture.stamp)
    drawn = av.VideoFrame.from_ndarray(planes, format="yuv420p").to_ndarray(format="rgb24")
    return float(psnr_db(picture.rgb, drawn))


def clock_film(
    path: Path, seconds: float, size: tuple[int, int] = (640, 360), *, sound: bool = False, fps: int = FILM_FPS
) -> Path:
    """Write an MP4 whose n-th picture says n in its clock; with `sound`, every whole second begins with a beep."""
    pattern = ClockPicture(*size)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "14"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        tone = container.add_stream("aac", rate=48_000, layout="stereo") if sound else None
        for number in range(round(seconds * fps)):
            planes = pattern.draw(Stamp(number, round(number * 1000 / fps)))
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
            if tone is not None:
                container.mux(tone.encode(_beeps(number * 48_000 // fps, 48_000 // fps)))
        for each in [stream] if tone is None else [stream, tone]:
            container.mux(each.encode(None))
    return path


def _beeps(start: int, samples: int) -> av.AudioFrame:
    at = np.arange(start, start + samples)
    loud = at % 48_000 < BEEP_S * 48_000
    pcm = np.where(loud, 12_000 * np.sin(2 * np.pi * BEEP_HZ * at / 48_000), 0).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(pcm.repeat(2).reshape(1, -1), format="s16", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
    return frame
