"""A call of the real process in which everything runs at once, and a look at whether each part of it goes on.

The parent captures a member and is heard by another, music plays from a web server, a stream is watched, and a film is
published. What one part suffers the others must not feel: `flows` and `told_of` say whether they did.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import av
import numpy as np

from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import Event, VoxParent
from clankvox.loopback.clock_picture import ClockPicture, Stamp
from tests.support.encoded import KINDS, encode
from tests.support.media_server import MediaServer
from tests.support.process_call import RATE_HZ, Call, eventually
from tests.support.stream_call import StreamCall

SONG_S = 60.0
FILM_S = 60.0
FILM_FPS = 6
FILM_SIZE = (160, 96)
WATCHED = {"width": 160, "height": 96, "fps": 15, "clock": False}
MORE = {"sent": 15, "heard": 10, "seen": 3, "shown": 3}
"""How much of each is taken for going on: packets of ours, pieces of speech, pictures, pictures of ours."""


def serve_media(media: MediaServer) -> None:
    """Add a song and a film of a minute each."""
    media.add("/song.flac", encode(_song(), KINDS["flac"]._replace(rate_hz=RATE_HZ)), "audio/flac")
    media.add("/film.mp4", _film(), "video/mp4")


class FullCall:
    """Everything of one process. `enter` it once; the process's end is the test's."""

    def __init__(self, vox: VoxParent, discord: OfflineDiscord, media: MediaServer) -> None:
        self.vox, self.discord, self.media = vox, discord, media
        self.call = Call(vox, discord)
        self.watch = StreamCall(self.call, "stream_watch")
        self.publish = StreamCall(self.call, "stream_publish")
        self.speaker = self.listener = self.streamer = self.watcher = ""

    def enter(self) -> None:
        """Begin all of it at once, and return when all of it flows."""
        self.call.join()
        self.call.credentials()
        where = {"channelId": self.call.channel}  # we may come later than they
        self.speaker = self.call.add(tone=300, loop=True, **where)
        self.listener = self.call.add(tone=200, startMs=86_400_000, receive=True, **where)
        self.call.subscribe(self.speaker, silenceDurationMs=2_000)
        self.vox.send({"type": "duck", "target": 0.3})  # or nothing may be said over it
        self.play_music("m1")
        self.begin_watching()
        self.begin_publishing()
        self.call.wait_ready()
        self.goes_on()

    def play_music(self, name: str) -> None:
        url = self.media.url("/song.flac") + "?key=secret"
        self.vox.send({"type": "music_play", "musicId": name, "url": url, "resolvedDirectUrl": True})

    def begin_watching(self) -> None:
        if not self.streamer:
            self.streamer = self.watch.add("publisher", **WATCHED)
        self.watch.subscribe(self.streamer)
        self.watch.connect()

    def begin_publishing(self) -> None:
        if not self.watcher:
            self.watcher = self.publish.add("watcher", decode=False)
        url = self.media.url("/film.mp4") + "?key=secret"
        self.vox.send({"type": "stream_publish_play", "url": url, "resolvedDirectUrl": True})
        self.publish.connect()

    def leave(self) -> None:
        """Be as if nothing had been, for the next process of the same test run."""
        for role in (self.watch, self.publish):
            for user in (self.streamer, self.watcher):
                if user in role._members:
                    role.remove(user)

    # --- what flows ---

    def flows(self) -> dict[str, int]:
        """How much of everything has flowed until now."""
        shown = self.publish.watched(self.watcher) if self.watcher else {}
        return {
            "sent": int(self.call.seen().get("packets", 0)),
            "heard": len(self.vox.audio_of(self.speaker)) if self.speaker else 0,
            "seen": len(self.watch.pictures(self.streamer)) if self.streamer else 0,
            "shown": int(shown.get("undecoded", 0)),
        }

    def goes_on(self, *which: str) -> None:
        """Return once there is more of all of it, or of `which`; servers count a new session from 0."""
        before = self.flows()
        for name in which or tuple(MORE):
            eventually(lambda name=name: self._has_grown(name, before), f"more is {name}")

    def _has_grown(self, name: str, before: dict[str, int]) -> bool:
        now = self.flows()[name]
        before[name] = min(before[name], now)
        return now >= before[name] + MORE[name]

    def told_of(self, role: str, since: int) -> list[str]:
        """What the parent was told of one role from `since` on, but pictures and telemetry."""
        told = [_short(event.body) for event in self._events(since) if _role(event.body) == role]
        return [line for line in told if line]

    def _events(self, since: int) -> Iterator[Event]:
        return (entry for entry in self.vox.entries[since:] if isinstance(entry, Event))

    @contextmanager
    def unnoticed_by(self, *roles: str) -> Iterator[None]:
        """Check that these roles went on and were not spoken of while something else happened."""
        of_role = {"voice": ("sent", "heard"), "stream_watch": ("seen",), "stream_publish": ("shown",)}
        since, before = self.vox.mark(), self._health()
        yield
        for role in roles:
            self.goes_on(*of_role[role])
            assert self.told_of(role, since) == [], role
            assert self._health()[role] == before[role], f"{role} is another session, or what it sent has faults"

    def _health(self) -> dict[str, Any]:
        """What must not change of a role that notices nothing: its identity, and faults of what it sends."""
        voice, watch = self.call.seen(), self.watch.seen(self.call.me)
        publish = self.publish.seen(self.call.me)
        return {
            "voice": [voice.get(name) for name in ("ssrc", "seqGaps", "seqLate", "timestampAnomalies")],
            "stream_watch": [watch.get("ssrc"), watch.get("gateway", {}).get("resumes")],
            "stream_publish": [publish.get("ssrc"), publish.get("gateway", {}).get("resumes")],
        }


_UNSAID = {
    "decoded_video_frame", "transport_stats", "stream_stats", "buffer_depth", "playback_position", "log", "inspect",
    "speaking_start", "speaking_end", "music_gain_reached",
}  # fmt: skip
"""Telemetry, and what a busy machine or the beginning of the call brings about at any time."""


def _role(body: dict[str, Any]) -> str:
    """Which role an event is about; what names none is the call's."""
    return str(body.get("role", "voice"))


def _short(body: dict[str, Any]) -> str:
    if body["type"] in _UNSAID:
        return ""
    names = ("type", "code", "playbackId", "musicId", "status", "reason")
    return " ".join(str(body[name]) for name in names if name in body)


def _song() -> np.ndarray:
    moments = np.arange(round(SONG_S * RATE_HZ)) / RATE_HZ
    return np.rint(np.stack([6_000 * np.sin(2 * np.pi * hz * moments) for hz in (400, 700)], axis=1)).astype(np.int16)


def _film() -> bytes:
    """A minute of few and small pictures."""
    pattern, target = ClockPicture(*FILM_SIZE), io.BytesIO()
    with av.open(target, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FILM_FPS, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *FILM_SIZE, "yuv420p"
        for number in range(round(FILM_S * FILM_FPS)):
            planes = pattern.draw(Stamp(number, round(number * 1000 / FILM_FPS)))
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FILM_FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target.getvalue()
