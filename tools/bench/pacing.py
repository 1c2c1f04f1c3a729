"""How evenly sound leaves, alone and beside all else that the process may have to do, beside a bare loop."""

import contextlib
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clankvox.clock import SLOT_S, SystemClock
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from tools.bench import music, stream
from tools.bench.call import OURSELVES, SERVER, join, say
from tools.bench.result import Result
from tools.bench.room import Room
from tools.bench.video_film import film
from tools.bench.wire_tap import Datagram, WireTap

RATE_HZ: Final = 24_000
LONG_GAP_S: Final = 0.035
BURST_GAP_S: Final = 0.005
PACKETS_A_SECOND: Final = 50.0
PPS_BAR: Final = 0.1
SPEAKERS: Final = 25
_MUSIC_FADED_IN_S: Final = 2.0
_LONGER_S: Final = 3.0

Load: TypeAlias = Callable[[OfflineDiscord, VoxParent, Path, float], AbstractContextManager[Room]]
"""Brings about what else the process has to do, for so many seconds, while the context lasts."""
Bars: TypeAlias = dict[str, float]
"""By how much a figure may exceed the control loop's."""


def errors_ms(sent: Sequence[Datagram]) -> NDArray[np.float64]:
    """Return by how much each gap differs from 20 ms."""
    return np.abs(np.diff([datagram.at_s for datagram in sent]) - SLOT_S) * 1000


def figures(sent: list[Datagram]) -> dict[str, float]:
    """Return rate, gap errors in ms, long gaps and bursts of one stream."""
    sent_s = np.array([datagram.at_s for datagram in sent])
    gaps, errors = np.diff(sent_s), errors_ms(sent)
    return {
        "packets": len(sent_s),
        "packets_per_second": float(len(gaps) / (sent_s[-1] - sent_s[0])),
        "gap_error_p50_ms": float(np.percentile(errors, 50)),
        "gap_error_p99_ms": float(np.percentile(errors, 99)),
        "gap_error_p999_ms": float(np.percentile(errors, 99.9)),
        "gap_error_max_ms": float(errors.max()),
        "gaps_above_35_ms": int((gaps > LONG_GAP_S).sum()),
        "bursts_below_5_ms": int((gaps < BURST_GAP_S).sum()),
    }


def alone(seconds: float) -> Result:
    """TTS, and nobody speaks."""
    return measure(seconds, "alone", silent_room, {"gap_error_p99_ms": 0.2, "gap_error_max_ms": 5.0})


def beside_speakers(seconds: float) -> Result:
    """TTS while 25 members are captured."""
    return measure(seconds, f"{SPEAKERS} captured", speaking_room, {"gap_error_p99_ms": 1.0})


def loaded(seconds: float) -> Result:
    """TTS while 25 members are captured, a 720p stream is watched and a 720p film published."""
    return measure(seconds, "fully loaded", everything, {"gap_error_p99_ms": 1.0})


def beside_pictures(seconds: float) -> Result:
    """TTS while pictures of a page come on stdin, 8 a second of 300 kB each, and are published."""
    return measure(seconds, "8 PNG a second on stdin", page, {"gap_error_p99_ms": 5.0})


def of_music(seconds: float) -> Result:
    """Music instead of TTS."""
    return measure(seconds, "music", silent_room, {"gap_error_p99_ms": 1.0}, play)


def speak(vox: VoxParent, _folder: Path, seconds: float) -> None:
    """Say a tone for `seconds`; returns when it is over."""
    say(vox, "p", tone_of(seconds), RATE_HZ)
    vox.wait_for("tts_playback_state", status="drained", timeout_s=seconds + 30)


def play(vox: VoxParent, folder: Path, seconds: float) -> None:
    """Play music for `seconds`."""
    path = music.write(folder / "music.ogg", seconds + 2 * _MUSIC_FADED_IN_S)
    vox.send({"type": "music_play", "musicId": "m", "url": str(path), "resolvedDirectUrl": True})
    vox.wait_for("player_state", status="playing")
    SystemClock().sleep(seconds)


def measure(
    seconds: float, name: str, load: Load, bars: Bars, sound: Callable[[VoxParent, Path, float], None] = speak
) -> Result:
    """Make `sound` for `seconds` under `load`, beside the control loop."""
    bare_sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bare_sink.bind(("127.0.0.1", 0))
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        discord = stack.enter_context(OfflineDiscord(["--no-tls"]))
        vox = stack.enter_context(VoxParent(args=["--allow-files"]))
        join(vox, discord.endpoint)
        stack.enter_context(load(discord, vox, folder, seconds)).rehearse(seconds + _LONGER_S)
        ports = {"clankvox": int(discord.listening["udpPort"]), "control": bare_sink.getsockname()[1]}
        with WireTap(ports) as tap:
            command = [sys.executable, "-m", "tools.bench.control_loop", str(ports["control"]), str(seconds)]
            with subprocess.Popen(command):
                sound(vox, folder, seconds)
        ours = tap.sent[f"clankvox:{call_ssrc(discord):08x}"]
        bare = next(sent for name, sent in tap.sent.items() if name.startswith("control:"))
    return judge(ours, bare, bars, f"pacing, {name}, {seconds:g} s")


def judge(sent: list[Datagram], bare: list[Datagram], bars: Bars, title: str) -> Result:
    """Hold our figures against the bars; what the control loop suffers too is the machine's."""
    ours, control = figures(sent), figures(bare)
    checks = {
        "50.0 +/- 0.1 packets a second": abs(ours["packets_per_second"] - PACKETS_A_SECOND) <= PPS_BAR,
        "no burst": ours["bursts_below_5_ms"] <= control["bursts_below_5_ms"],
        "no gap above 35 ms of our own": ours["gaps_above_35_ms"] <= control["gaps_above_35_ms"],
    }
    for name, most in bars.items():
        checks[f"{name} at most {most:g} ms beyond the control loop"] = ours[name] - control[name] <= most
    rows: dict[str, tuple[float | None, ...]] = {name: (value, control[name]) for name, value in ours.items()}
    samples = {"clankvox": errors_ms(sent).tolist(), "control": errors_ms(bare).tolist()}
    return Result(title, ("clankvox", "control"), rows, checks, samples)


# --- what else there is to do -----------------------------------------------------------------------------------------


@contextmanager
def silent_room(discord: OfflineDiscord, vox: VoxParent, _folder: Path, _seconds: float) -> Iterator[Room]:
    """Somebody to encrypt for."""
    room = Room(discord, vox)
    room.listener()
    yield room


@contextmanager
def speaking_room(discord: OfflineDiscord, vox: VoxParent, folder: Path, seconds: float) -> Iterator[Room]:
    """Members who speak."""
    with silent_room(discord, vox, folder, seconds) as room:
        room.fill(SPEAKERS)
        yield room


@contextmanager
def everything(discord: OfflineDiscord, vox: VoxParent, folder: Path, seconds: float) -> Iterator[Room]:
    """Members who speak, a stream and a film."""
    path = film(seconds + 20)
    with speaking_room(discord, vox, folder, seconds) as room:
        stream.watch(discord, vox, 1280, 720)
        stream.publish(discord, vox, stream.film_source(path))
        vox.wait_for("stream_publish_media_started", timeout_s=30)
        yield room


@contextmanager
def page(discord: OfflineDiscord, vox: VoxParent, folder: Path, seconds: float) -> Iterator[Room]:
    """Pictures of a page."""
    with silent_room(discord, vox, folder, seconds) as room:
        stream.publish(discord, vox, {"type": "stream_publish_browser_start", "mimeType": "image/png"})
        frames = stream.BrowserFrames(vox)
        frames.start()
        try:
            vox.wait_for("stream_publish_media_started", timeout_s=30)
            yield room
        finally:
            frames.stop()


def call_ssrc(discord: OfflineDiscord) -> int:
    """Return the SSRC of our sound in the call."""
    ours = (client for client in discord.stats()["clients"] if client["userId"] == OURSELVES)
    return next(int(client["ssrc"]) for client in ours if client["serverId"] == SERVER)


def tone_of(seconds: float) -> NDArray[np.int16]:
    """Return 220 Hz, int16 mono."""
    return (np.sin(2 * np.pi * 220 * np.arange(int(seconds * RATE_HZ)) / RATE_HZ) * 8000).astype(np.int16)
