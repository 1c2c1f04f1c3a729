"""How soon the process is there, and how soon it is in a call: alone with one other, and among twenty."""

from typing import Final, NamedTuple

import numpy as np

from clankvox.clock import SystemClock
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from tools.bench.call import OURSELVES, READY_S, SERVER
from tools.bench.result import Result

MEMBERS: Final = (2, 20)
PROCESS_READY_BAR_MS: Final = 80.0
_WARM_S: Final = 1.5
_TRIAL_S: Final = 3.0
_FIRST_MEMBER: Final = 501
_COLUMNS: Final = ("median", "p90", "max")


class Joined(NamedTuple):
    """Milliseconds."""

    process_ready: float
    """From spawn."""
    ready: float
    """From `join` on stdin."""
    dave_ready: float
    """From `join` on stdin."""


def run(seconds: float) -> Result:
    """Spawn and join again and again, for about `seconds` each; joining at once, and by a process that has settled."""
    trials = max(3, round(seconds / _TRIAL_S / 4))
    rows: dict[str, tuple[float | None, ...]] = {}
    spawned: list[float] = []
    for members in MEMBERS:
        with OfflineDiscord(["--no-tls"]) as discord:
            for number in range(members - 1):
                member = {"type": "add_speaker", "userId": str(_FIRST_MEMBER + number), "serverId": SERVER, "tone": 200}
                discord.order({**member, "channelId": "20", "startMs": 86_400_000})
            for wait_s, how in ((0.0, "at once"), (_WARM_S, "later")):
                found = [join_once(discord, wait_s) for _ in range(trials)]
                spawned += [each.process_ready for each in found]
                rows[f"join to ready, {members} members, {how}"] = spread([each.ready for each in found])
                rows[f"join to DAVE ready, {members} members, {how}"] = spread([each.dave_ready for each in found])
    rows = {"spawn to process_ready": spread(spawned), **rows}
    checks = {"process_ready within 80 ms of the spawn": float(np.median(spawned)) <= PROCESS_READY_BAR_MS}
    return Result(f"start in ms, {trials} trials each", _COLUMNS, rows, checks)


def join_once(discord: OfflineDiscord, wait_s: float) -> Joined:
    """Spawn, wait, join and leave."""
    clock = SystemClock()
    spawned_s = clock.now()
    with VoxParent() as vox:
        up_s = vox.events[0].at_s - spawned_s
        clock.sleep(wait_s)
        joined_s = vox.send({"type": "join", "connectionId": "bench", "guildId": SERVER, "channelId": "20"})
        server = {"endpoint": discord.endpoint, "token": "bench", "guild_id": SERVER}
        vox.send({"type": "voice_server", "data": server})
        state = {"session_id": "bench", "user_id": OURSELVES, "channel_id": "20"}
        vox.send({"type": "voice_state", "data": state})
        ready = vox.wait_for("ready", timeout_s=READY_S)
        dave = vox.wait_for("dave_state", status="ready", timeout_s=READY_S)
    return Joined(up_s * 1000, (ready.at_s - joined_s) * 1000, (dave.at_s - joined_s) * 1000)


def spread(waits_ms: list[float]) -> tuple[float, float, float]:
    """Return median, 90th percentile and maximum."""
    return float(np.median(waits_ms)), float(np.percentile(waits_ms, 90)), float(max(waits_ms))
