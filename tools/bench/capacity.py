"""How many speakers one core captures without losing a packet: the process has one, all else shares the others."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np

from clankvox.demo.journal import NotSeen
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from tools.bench.call import join
from tools.bench.capture import measure
from tools.bench.result import Result
from tools.bench.room import Room

BAR: Final = 99
"""As many as a voice channel holds beside ourselves."""
SPEAKERS: Final = (50, BAR, 125, 150)
"""More than a channel holds tell how much is left. Beyond these it takes minutes until all are in one MLS group."""


def run(seconds: float) -> Result:
    """Capture ever more speakers for `seconds` each on one core, until packets are lost.

    All else, the offline Discord too, has the other cores. PermissionError where nothing can be pinned.
    """
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:
        raise PermissionError("needs two cores and a system that pins")
    rows: dict[str, tuple[float | None, ...]] = {}
    core = min(os.sched_getaffinity(0))
    with _apart_from(core), OfflineDiscord(["--no-tls"]) as discord:
        command = ("taskset", "--cpu-list", str(core), sys.executable, "-m", "clankvox")
        with VoxParent(command=command) as vox:
            join(vox, discord.endpoint)
            room = Room(discord, vox)
            for speakers in SPEAKERS:
                try:
                    room.fill(speakers)
                except NotSeen:
                    if speakers <= BAR:
                        raise
                    break  # the offline Discord cannot hold so many
                found = measure(vox, room, seconds)
                busy = found.cpu_s_per_minute * speakers / 60
                p99 = float(np.percentile(found.latencies_ms, 99))
                figures = (float(found.packets), found.lost, busy * 100, p99, found.rss_mib)
                rows[f"{speakers} speakers"] = figures
                if found.lost:
                    break
    whole = max((int(name.split()[0]) for name, figures in rows.items() if not figures[1]), default=0)
    rows["captured whole"] = (float(whole), *[None] * (len(_COLUMNS) - 1))
    checks = {"99 speakers on one core, nothing lost": whole >= BAR}
    return Result(f"capacity of one core, {seconds:g} s each", _COLUMNS, rows, checks)


_COLUMNS: Final = ("packets", "lost", "core busy %", "p99 ms", "RSS MiB")


@contextmanager
def _apart_from(core: int) -> Iterator[None]:
    """Keep ourselves, and what we start, off one core."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, allowed - {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
