"""How soon nothing is left of the process, whatever ends it, in the midst of everything that it can do at once."""

import os
import signal
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil

from clankvox.clock import SystemClock
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from clankvox.errors import ExitCode
from tools.bench import pacing, stream
from tools.bench.call import READY_S, SERVER, join, say
from tools.bench.odd_parents import DeafParent
from tools.bench.result import Result
from tools.soak.media_host import FILM, TUNE, MediaHost

BAR_MS: Final = 250.0
_TRIAL_S: Final = 4.0
_GONE_S: Final = 5.0
_SPEAKER: Final = "101"
_COLUMNS: Final = ("median", "max")
_HANGS: Final = "import time\ntime.sleep(600)\n"
"""Instead of yt-dlp: a page whose media are never found."""


ENDINGS: Final[dict[str, tuple[Callable[[DeafParent], object], ExitCode]]] = {
    "SIGTERM": (lambda vox: os.kill(vox.pid, signal.SIGTERM), ExitCode.DONE),
    "destroy": (lambda vox: vox.send({"type": "destroy"}), ExitCode.DONE),
    "end of stdin": (lambda vox: vox.close_stdin(), ExitCode.DONE),
    "broken stdout": (lambda vox: vox.deaf.set(), ExitCode.STDOUT),
}


def run(seconds: float) -> Result:
    """End it again and again, for about `seconds` in all."""
    trials = max(3, round(seconds / _TRIAL_S / len(ENDINGS)))
    with tempfile.TemporaryDirectory() as folder, OfflineDiscord(["--no-tls"]) as discord:
        package = Path(folder) / "yt_dlp"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(_HANGS)
        with MediaHost(Path(folder)) as host:
            found = {name: [_end(discord, host, folder, name) for _ in range(trials)] for name in ENDINGS}
    return judge(found)


def judge(found: dict[str, list[tuple[float, bool]]]) -> Result:
    """Hold the medians against the bar; a wrong exit code or a child that is left is a failure, however seldom."""
    rows: dict[str, tuple[float | None, ...]] = {}
    checks = {}
    for name, trials in found.items():
        waits_ms = sorted(wait_ms for wait_ms, _ in trials)
        rows[name] = (waits_ms[len(waits_ms) // 2], waits_ms[-1])
        checks[f"{name}: gone within {BAR_MS:g} ms"] = waits_ms[len(waits_ms) // 2] <= BAR_MS
        checks[f"{name}: the right exit code, and no child left"] = all(well for _, well in trials)
    return Result(f"endings in ms, {len(next(iter(found.values())))} trials each", _COLUMNS, rows, checks)


def _end(discord: OfflineDiscord, host: MediaHost, folder: str, name: str) -> tuple[float, bool]:
    """Return the ms until process and children were gone, and whether its exit code was the right one."""
    env = {"PYTHONPATH": folder}
    with DeafParent(env=env, args=["--allow-private-hosts"]) as vox:
        join(vox, discord.endpoint)
        _begin(discord, host, vox)
        speaker = threading.Thread(target=_speak, args=(vox,), daemon=True)
        speaker.start()
        vox.wait_for("tts_playback_state", status="started")
        children, clock = psutil.Process(vox.pid).children(recursive=True), SystemClock()
        end, code = ENDINGS[name]
        began = clock.now()
        end(vox)
        exit_code = vox.wait_exit()  # and not psutil, which would take the exit code away from the parent
        _, alive = psutil.wait_procs(children, timeout=_GONE_S)
        wait_ms = (clock.now() - began) * 1000
        speaker.join()
        discord.order({"type": "remove_speaker", "userId": _SPEAKER, "serverId": SERVER})
        return wait_ms, bool(children) and not alive and exit_code == code


def _begin(discord: OfflineDiscord, host: MediaHost, vox: VoxParent) -> None:
    """Play, watch and publish, and look for the media of a page."""
    discord.order({"type": "add_speaker", "userId": _SPEAKER, "serverId": SERVER, "tone": 300, "loop": True})
    vox.send({"type": "subscribe_user", "userId": _SPEAKER, "sampleRate": 16_000})
    vox.wait_for_audio(_SPEAKER, timeout_s=READY_S)
    vox.send({"type": "duck", "target": 0.3})
    vox.send({"type": "music_play", "musicId": "m", "url": host.url(TUNE), "resolvedDirectUrl": True})
    vox.wait_for("player_state", status="playing")
    stream.watch(discord, vox, 320, 192)
    film = {"type": "stream_publish_play", "url": host.url(FILM), "resolvedDirectUrl": True}
    stream.publish(discord, vox, film)
    vox.wait_for("stream_publish_media_started", timeout_s=30)
    vox.send({"type": "music_play", "musicId": "page", "url": "https://example.com/watch"})
    vox.wait_for("player_state", musicId="page", status="loading")
    process, clock = psutil.Process(vox.pid), SystemClock()
    while not process.children():
        clock.sleep(0.01)


def _speak(vox: VoxParent) -> None:
    say(vox, "p", pacing.tone_of(3.0), pacing.RATE_HZ, ahead_s=60.0)
