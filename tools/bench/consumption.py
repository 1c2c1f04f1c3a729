"""CPU seconds a minute of everything that a process may do, and its memory; each thing in a process of its own.

All run at the same time: together they do not take half of one core, and CPU seconds are no matter of moments.
"""

import contextlib
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from clankvox.clock import SystemClock
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import ProcessGone, VoxParent
from tools.bench import music, stream
from tools.bench.accounting import Meter
from tools.bench.call import join, say
from tools.bench.pacing import RATE_HZ, tone_of
from tools.bench.result import Result
from tools.bench.room import Room
from tools.bench.video_film import film

IDLE_BAR_S: Final = 0.5
"""CPU seconds a minute in a silent call: less than a hundredth of a core."""
_AHEAD_S: Final = 3.0
_READY_S: Final = 30.0
_COLUMNS: Final = ("CPU s/min", "RSS MiB")

Doing = Callable[[OfflineDiscord, VoxParent, Path, float], None]
"""Brings something about that goes on for at least so many seconds."""


def run(seconds: float) -> Result:
    """Measure all things for `seconds`, each in a call with one silent member."""
    doings: dict[str, Doing] = {
        "a silent call": _nothing,
        "TTS": _speak,
        "stereo music": _music,
        "publishing 720p30": _publish,
        "watching 1080p30 at 2 fps": _watch,
    }
    ready = threading.Barrier(len(doings))
    with ThreadPoolExecutor(len(doings)) as threads:
        found = threads.map(lambda doing: _measure(doing, seconds, ready), doings.values())
        rows: dict[str, tuple[float | None, ...]] = dict(zip(doings, found, strict=True))
    idle_s = rows["a silent call"][0]
    checks = {"a silent call takes no more than a hundredth of a core": idle_s is not None and idle_s <= IDLE_BAR_S}
    return Result(f"consumption, {seconds:g} s each", _COLUMNS, rows, checks)


def _measure(doing: Doing, seconds: float, ready: threading.Barrier) -> tuple[float | None, ...]:
    clock = SystemClock()
    with contextlib.ExitStack() as stack:
        stack.callback(ready.abort)  # who fails must not keep the others waiting; too late for them it does nothing
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        discord = stack.enter_context(OfflineDiscord(["--no-tls"]))
        vox = stack.enter_context(VoxParent(args=["--allow-files"]))
        join(vox, discord.endpoint)
        Room(discord, vox).listener()
        doing(discord, vox, folder, seconds + _READY_S + 2 * _AHEAD_S)
        ready.wait(_READY_S)
        clock.sleep(_AHEAD_S)
        meter = Meter(vox.pid)
        clock.sleep(seconds)
        return meter.read().cpu_per_minute, meter.rss_mib()


def _nothing(_discord: OfflineDiscord, _vox: VoxParent, _folder: Path, _seconds: float) -> None:
    """Listen to nobody."""


def _speak(_discord: OfflineDiscord, vox: VoxParent, _folder: Path, seconds: float) -> None:
    pcm = tone_of(seconds)

    def speak() -> None:
        with suppress(ProcessGone):  # enough was heard before all was said
            say(vox, "p", pcm, RATE_HZ)

    threading.Thread(target=speak, daemon=True).start()


def _music(_discord: OfflineDiscord, vox: VoxParent, folder: Path, seconds: float) -> None:
    path = music.write(folder / "music.ogg", seconds)
    vox.send({"type": "music_play", "musicId": "m", "url": str(path), "resolvedDirectUrl": True})
    vox.wait_for("player_state", status="playing")


def _publish(discord: OfflineDiscord, vox: VoxParent, _folder: Path, seconds: float) -> None:
    stream.publish(discord, vox, stream.film_source(film(seconds)))
    vox.wait_for("stream_publish_media_started", timeout_s=30)


def _watch(discord: OfflineDiscord, vox: VoxParent, _folder: Path, _seconds: float) -> None:
    stream.watch(discord, vox, 1920, 1080, fps=2)
