"""A minute of speech beside Go Live both ways: 720p30 is published and watched through 3 % loss.

The cadence of our speech is held against a bare loop in the same moment; commands that an actor answers at once tell
how long actors were busy or blocked.
"""

import base64
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Final, NamedTuple

import av
import numpy as np

from clankvox.demo.film import make_film
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from clankvox.loopback.clock_picture import read_clock
from clankvox.loopback.picture_decoder import luma_of
from tools.bench import pacing
from tools.bench.accounting import Meter
from tools.bench.call import OURSELVES, SERVER, counters, join, say
from tools.bench.result import Result
from tools.bench.streams import Streams
from tools.bench.wire_tap import WireTap

LOSS: Final = 0.03
DECODED_SHARE: Final = 0.99
ANSWER_BAR_MS: Final = 20.0
WATCHED_FPS: Final = 5
STREAMER, VIEWER, SPEAKER = "201", "202", "101"
_BARS: Final = {"gap_error_p99_ms": 1.0}
_PROBE_S: Final = 0.05
_LEAD_S: Final = 3.0


class Seen(NamedTuple):
    """Of one direction: how many of the pictures were decoded, and how old they were."""

    share: float
    fps: float
    age_ms: float | None


class Probe(threading.Thread):
    """Asks the playback actor and the publish actor something again and again; each is answered at once."""

    def __init__(self, vox: VoxParent) -> None:
        super().__init__(name="probe", daemon=True)
        self._vox = vox
        self._stopped = threading.Event()
        self._asked_s: dict[str, list[float]] = {"playback": [], "publish": []}
        self._since = vox.mark()

    def run(self) -> None:
        """Ask, twenty times a second."""
        number = 0
        page = {"type": "stream_publish_browser_frame", "mimeType": "image/png", "frameBase64": "AAAA"}
        while not self._stopped.wait(_PROBE_S):
            name = f"probe {number}"
            self._asked_s["playback"].append(self._vox.send({"type": "finish_tts_playback", "playbackId": name}))
            self._asked_s["publish"].append(self._vox.send(page))
            number += 1

    def stop(self) -> None:
        """Ask no more, and wait for the last answers."""
        self._stopped.set()
        self.join()
        for answers in ("tts_playback_state", "transport_state"):
            self._vox.wait_for(answers, since=self._since, status="failed")

    def answers_ms(self) -> dict[str, list[float]]:
        """Return how long each answer took, from the write to the parent's reading thread."""
        came = {"playback": [], "publish": []}  # type: dict[str, list[float]]
        for event in self._vox.events:
            if event.type == "tts_playback_state" and str(event.body.get("playbackId")).startswith("probe "):
                came["playback"].append(event.at_s)
            elif event.body.get("reason") == "stream_publish_browser_frame_source_mismatch":
                came["publish"].append(event.at_s)
        return {
            name: [(at_s - asked_s) * 1000 for asked_s, at_s in zip(self._asked_s[name], came[name], strict=False)]
            for name in came
        }


def run(seconds: float) -> Result:
    """Speak, publish and watch for `seconds`; figures and whether the bars hold."""
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    with tempfile.TemporaryDirectory() as folder, OfflineDiscord(["--no-tls"]) as discord:
        film = make_film(Path(folder) / "film.mp4", seconds + 2 * _LEAD_S)
        with VoxParent(args=["--allow-files"]) as vox:
            streams = _begin(discord, vox, film.url)
            before, decoded_before, begun_s = streams.seen_by(VIEWER), _decoded(vox), streams.clock.now()
            meter = Meter(vox.pid)
            ports = {"clankvox": int(discord.listening["udpPort"]), "control": sink.getsockname()[1]}
            probe = Probe(vox)
            with WireTap(ports) as tap:
                command = [sys.executable, "-m", "tools.bench.control_loop", str(ports["control"]), str(seconds)]
                control = subprocess.Popen(command)
                probe.start()
                say(vox, "p", pacing.tone_of(seconds), pacing.RATE_HZ)
                vox.wait_for("tts_playback_state", playbackId="p", status="drained", timeout_s=seconds + 30)
                control.wait()
                probe.stop()
            after, decoded, ended_s = streams.seen_by(VIEWER), _decoded(vox) - decoded_before, streams.clock.now()
            used = meter.read()
            ours = tap.sent[f"clankvox:{pacing.call_ssrc(discord):08x}"]
            bare = next(times for name, times in tap.sent.items() if name.startswith("control:"))
            clear = streams.client(OURSELVES, streams.published)["video"]
            answers_ms, watched = probe.answers_ms(), _watched(vox, begun_s, ended_s, decoded)
    fps = (after["decoded"] - before["decoded"]) / (ended_s - begun_s)
    published = Seen(_share(before, after), fps, None)
    base = pacing.judge(ours, bare, _BARS, f"golive, {seconds:g} s of speech beside video")
    base.rows["cpu_s_a_minute"] = (used.cpu_per_minute, None)
    base.checks["the member who speaks is captured"] = bool(vox.audio_of(SPEAKER))
    leaked = sum(each["plaintextPictures"] + each["plaintextInTransition"] for each in clear.values())
    return judge(base, answers_ms, watched, published, leaked)


def _begin(discord: OfflineDiscord, vox: VoxParent, film_url: str) -> Streams:
    """Return once pictures flow both ways, with loss."""
    join(vox, discord.endpoint)
    discord.order({"type": "add_speaker", "userId": SPEAKER, "serverId": SERVER, "tone": 300})
    vox.wait_for("speaking_start", userId=SPEAKER)
    vox.send({"type": "subscribe_user", "userId": SPEAKER, "captureId": "k"})
    streams = Streams(discord, vox)
    streams.publisher(STREAMER)
    streams.watcher(VIEWER)
    vox.send({"type": "subscribe_user_video", "userId": STREAMER, "maxFramesPerSecond": WATCHED_FPS})
    vox.send({"type": "stream_publish_play", "url": film_url, "resolvedDirectUrl": True})
    vox.wait_for("decoded_video_frame", userId=STREAMER)
    streams.until("our picture", lambda: streams.seen_by(VIEWER).get("decoded", 0) > 10)
    for server_id in (streams.watched, streams.published):
        streams.impair(OURSELVES, server_id, LOSS)
    return streams


def _share(before: dict[str, int], after: dict[str, int]) -> float:
    return (after["distinct"] - before["distinct"]) / max(1, after["lastCounter"] - before["lastCounter"])


def _decoded(vox: VoxParent) -> int:
    return int(counters(vox)["inboundVideo"]["decoded"])


def _watched(vox: VoxParent, begun_s: float, ended_s: float, decoded: int) -> Seen:
    """Read the clocks of what the parent was shown; of the others only the process's count of `decoded` tells."""
    events = [each for each in vox.events_of("decoded_video_frame") if begun_s <= each.at_s <= ended_s]
    ages_ms = []
    for event in events:
        decoder = av.CodecContext.create("mjpeg", "r")
        stamp = read_clock(luma_of(decoder.decode(av.Packet(base64.b64decode(event.body["jpegBase64"])))[0]))
        if stamp is not None:
            ages_ms.append(event.at_s * 1000 - stamp.time_ms)
    fps = decoded / (ended_s - begun_s)
    return Seen(fps / 30, fps, float(np.median(ages_ms)) if ages_ms else None)


def judge(base: Result, answers_ms: dict[str, list[float]], watched: Seen, published: Seen, leaked: int) -> Result:
    """Hold the figures against the bars; by how much the bare loop was late, actors may be too."""
    rows, checks = dict(base.rows), dict(base.checks)
    late_ms = base.rows["gap_error_max_ms"][1] or 0.0
    for name, taken_ms in answers_ms.items():
        worst = np.percentile(taken_ms, (50, 99, 100))
        for label, figure in zip(("p50", "p99", "max"), worst, strict=True):
            rows[f"answer_of_{name}_{label}_ms"] = (float(figure), None)
        checks[f"{name} actor never blocked above {ANSWER_BAR_MS:g} ms of our own"] = (
            float(worst[-1]) <= ANSWER_BAR_MS + late_ms
        )
    for name, seen in (("watched", watched), ("published", published)):
        rows[f"{name}_decoded_share"] = (seen.share, None)
        rows[f"{name}_pictures_per_second"] = (seen.fps, None)
        checks[f"{name}: at least 99 % of the pictures decoded"] = seen.share >= DECODED_SHARE
    rows["watched_picture_age_p50_ms"] = (watched.age_ms, None)
    checks["no picture left unencrypted"] = leaked == 0
    return base._replace(rows=rows, checks=checks)
