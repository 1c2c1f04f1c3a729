"""How soon the process is there, and how soon it is in a call: alone with one other, and among twenty.

Other libraries do the same in turn with us: a process of theirs is there once it takes orders, and in the call once the
library says so; none of them tells when it may encrypt.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import numpy as np

from clankvox.clock import SystemClock
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from tests.support.peers import Peer
from tools.bench.call import OURSELVES, READY_S, SERVER
from tools.bench.result import Result
from tools.bench.senders import installed

MEMBERS: Final = (2, 20)
PROCESS_READY_BAR_MS: Final = 80.0
_WARM_S: Final = 1.5
_TRIAL_S: Final = 3.0
_FIRST_MEMBER: Final = 501
_CHANNEL: Final = "20"
_PEER: Final = 601
_COLUMNS: Final = ("median", "p90", "max")
PEERS: Final = ("discord.py", "discord.js Node", "discord.js Bun")


class Joined(NamedTuple):
    """Milliseconds."""

    process_ready: float
    """From spawn."""
    ready: float
    """From `join` on stdin."""
    dave_ready: float
    """From `join` on stdin."""

    @property
    def whole(self) -> float:
        """From spawn to the call, of one who joins at once."""
        return self.process_ready + self.ready


def run(seconds: float) -> Result:
    """Spawn and join again and again, for about `seconds` each; joining at once, and by a process that has settled."""
    trials = max(3, round(seconds / _TRIAL_S / 4))
    rows: dict[str, tuple[float | None, ...]] = {}
    spawned: list[float] = []
    up: dict[str, list[float]] = {}
    for members in MEMBERS:
        theirs = {name: join_peers(kind, members, trials) for name, kind in installed().items()}
        for name, trips in theirs.items():
            up.setdefault(name, []).extend(each.process_ready for each in trips)
        beside = medians({name: [each.ready for each in trips] for name, trips in theirs.items()})
        whole = medians({name: [each.whole for each in trips] for name, trips in theirs.items()})
        with room(members) as discord:
            for wait_s, how in ((0.0, "at once"), (_WARM_S, "later")):
                found = [join_once(discord, wait_s) for _ in range(trials)]
                spawned += [each.process_ready for each in found]
                if not wait_s:
                    rows[f"spawn to ready, {members} members"] = (*spread([each.whole for each in found]), *whole)
                rows[f"join to ready, {members} members, {how}"] = (*spread([each.ready for each in found]), *beside)
                dave_ms = spread([each.dave_ready for each in found])
                rows[f"join to DAVE ready, {members} members, {how}"] = (*dave_ms, *[None] * len(PEERS))
    rows = {"spawn to process_ready": (*spread(spawned), *medians(up)), **rows}
    checks = {"process_ready within 80 ms of the spawn": float(np.median(spawned)) <= PROCESS_READY_BAR_MS}
    return Result(f"start in ms, {trials} trials each", (*_COLUMNS, *PEERS), rows, checks)


@contextmanager
def room(members: int) -> Iterator[OfflineDiscord]:
    """Have all but one of so many members sit in a room, silent for a day."""
    with OfflineDiscord(["--channel", f"{SERVER}={_CHANNEL}"]) as discord:
        for number in range(members - 1):
            member = {"type": "add_speaker", "userId": str(_FIRST_MEMBER + number), "serverId": SERVER, "tone": 200}
            discord.order({**member, "channelId": _CHANNEL, "startMs": 86_400_000})
        yield discord


def join_peers(kind: type[Peer], members: int, trials: int) -> list[Joined]:
    """Let another library join again and again, in a room of its own: it may leave without a word."""
    with room(members) as discord:
        return [join_peer(kind, discord) for _ in range(trials)]


def join_peer(kind: type[Peer], discord: OfflineDiscord) -> Joined:
    """Spawn another library, join and leave."""
    clock = SystemClock()
    spawned_s = clock.now()
    with kind(discord, _PEER, int(SERVER), int(_CHANNEL)) as peer:
        peer.wait_for("up")
        up_s = clock.now()
        peer.join()
        ready_s = clock.now()
    return Joined((up_s - spawned_s) * 1000, (ready_s - up_s) * 1000, float("nan"))


def medians(waits_ms: dict[str, list[float]]) -> tuple[float | None, ...]:
    """Return the median of each library, None of one that is not there."""
    return tuple(float(np.median(waits_ms[name])) if name in waits_ms else None for name in PEERS)


def join_once(discord: OfflineDiscord, wait_s: float) -> Joined:
    """Spawn, wait, join and leave."""
    clock = SystemClock()
    spawned_s = clock.now()
    with VoxParent(env={"SSL_CERT_FILE": str(discord.ca_file)}) as vox:
        up_s = vox.events[0].at_s - spawned_s
        clock.sleep(wait_s)
        joined_s = vox.send({"type": "join", "connectionId": "bench", "guildId": SERVER, "channelId": _CHANNEL})
        server = {"endpoint": discord.endpoint, "token": "bench", "guild_id": SERVER}
        vox.send({"type": "voice_server", "data": server})
        state = {"session_id": "bench", "user_id": OURSELVES, "channel_id": _CHANNEL}
        vox.send({"type": "voice_state", "data": state})
        ready = vox.wait_for("ready", timeout_s=READY_S)
        dave = vox.wait_for("dave_state", status="ready", timeout_s=READY_S)
    return Joined(up_s * 1000, (ready.at_s - joined_s) * 1000, (dave.at_s - joined_s) * 1000)


def spread(waits_ms: list[float]) -> tuple[float, float, float]:
    """Return median, 90th percentile and maximum."""
    return float(np.median(waits_ms)), float(np.percentile(waits_ms, 90)), float(max(waits_ms))
