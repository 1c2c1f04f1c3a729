"""clankvox beside @discordjs/voice, which hear the same members at the same moment: latency and CPU.

clankvox orders, decodes and resamples, and writes PCM to a pipe; the library hands over Opus packets in its own
process, without order or concealment. A second one decodes them by opusscript, which the library falls back to.
"""

import contextlib
import json
import os
import subprocess
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from clankvox.clock import SystemClock
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from tests.support.peers import PEERS, Peer
from tools.bench.accounting import Meter
from tools.bench.call import SERVER, join
from tools.bench.capture import latencies, pieces_of, ssrcs_of
from tools.bench.result import Result
from tools.bench.room import Room, media_port
from tools.bench.senders import installed
from tools.bench.wire_tap import Datagram, FarTap, to_wall_s

SPEAKERS: Final = 10
CHANNEL: Final = "20"
_LEARN_S: Final = 2.0
_COLUMNS: Final = ("p50 ms", "p99 ms", "p99.9 ms", "max ms", "CPU s/min", "RSS MiB")
_PERCENTILES: Final = (50.0, 99.0, 99.9, 100.0)
_DECODED: Final = ", decoded"
PEERS_BESIDE: Final = tuple(
    f"discord.js {runtime}, {what}" for runtime in ("Node", "Bun") for what in ("packets", "decoded")
)


class Receiver:
    """A context: a process with @discordjs/voice in our room. `heard` tells when packets came, once it has ended."""

    def __init__(self, kind: type[Peer], discord: OfflineDiscord, user_id: str, *, decode: bool) -> None:
        """Run it by what runs `kind`."""
        fields = {"endpoint": discord.endpoint, "guildId": SERVER, "channelId": CHANNEL, "userId": user_id}
        script = str(PEERS / "discordjs_receiver.mjs")
        *runtime, _ = kind.command
        self._command = [*runtime, script, json.dumps({**fields, "decode": decode})]
        self._env = {**os.environ, "NODE_EXTRA_CA_CERTS": str(discord.ca_file)}
        self.heard: dict[str, list[float]] = {}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, env=self._env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self._process.stdout is None or b"ready" not in self._process.stdout.readline():
            raise OSError("@discordjs/voice did not join")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        told, _ = self._process.communicate()
        found: dict[str, Any] = json.loads(told.splitlines()[-1]) if told else {"heard": {}}
        ahead_s = to_wall_s()
        self.heard = {user_id: [at_ms / 1000 - ahead_s for at_ms in times] for user_id, times in found["heard"].items()}

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid


def run(seconds: float) -> Result:
    """Listen to ten members for `seconds`. PermissionError where the library is not installed."""
    there = {name: kind for name, kind in installed().items() if kind.hears}
    kinds = {name: there[name.split(",")[0]] for name in PEERS_BESIDE if name.split(",")[0] in there}
    if not kinds:
        raise PermissionError("@discordjs/voice is not installed: make peers")
    clock = SystemClock()
    with contextlib.ExitStack() as stack:
        discord = stack.enter_context(OfflineDiscord(["--channel", f"{SERVER}={CHANNEL}"]))
        vox = stack.enter_context(VoxParent(env={"SSL_CERT_FILE": str(discord.ca_file)}))
        join(vox, discord.endpoint)
        with contextlib.ExitStack() as others:
            peers = {
                name: others.enter_context(Receiver(kind, discord, str(600 + number), decode=name.endswith(_DECODED)))
                for number, (name, kind) in enumerate(kinds.items())
            }
            room = Room(discord, vox)
            room.fill(SPEAKERS)
            clock.sleep(_LEARN_S)
            room.rehearse(seconds + _LEARN_S)
            since = vox.mark()
            pids = {"clankvox": vox.pid, **{name: peer.pid for name, peer in peers.items()}}
            with FarTap({name: media_port(pid) for name, pid in pids.items()}) as tap:
                meters = {name: Meter(pid) for name, pid in pids.items()}
                clock.sleep(seconds)
                used = {
                    name: (meter.read().cpu_per_minute / SPEAKERS, meter.rss_mib()) for name, meter in meters.items()
                }
            pieces = pieces_of(vox, since)
        told_s = {"clankvox": {user: [piece.at_s for piece in pieces.get(user, [])] for user in room.users}}
        told_s |= {name: peer.heard for name, peer in peers.items()}
        members = ssrcs_of(vox)
    return judge(tap.sent, told_s, members, used, f"receivers of {SPEAKERS} members, {seconds:g} s")


def judge(
    sent: dict[str, list[Datagram]],
    told_s: dict[str, dict[str, list[float]]],
    members: dict[str, int],
    used: dict[str, tuple[float, float]],
    title: str,
) -> Result:
    """Put all beside each other; `used` is CPU seconds for a minute of one speaker, and MiB."""
    ahead_s = to_wall_s()
    rows: dict[str, tuple[float | None, ...]] = {}
    samples: dict[str, list[float]] = {}
    for name, told in told_s.items():
        found = [
            latencies(sent[f"{name}:{ssrc:08x}"], told.get(user_id, []), ahead_s) for user_id, ssrc in members.items()
        ]
        samples[name] = [wait_ms for each in found for wait_ms in each]
        waits_ms = samples[name]
        spread = map(float, np.percentile(waits_ms, _PERCENTILES)) if waits_ms else [None] * len(_PERCENTILES)
        rows[name] = (*spread, *used[name])
    result = Result(title, _COLUMNS, rows, {}, samples)
    ours = result.at("clankvox", "CPU s/min")
    decoding = {name: result.at(name, "CPU s/min") for name in PEERS_BESIDE if name.endswith(_DECODED)}
    checks = {
        f"less CPU than {name}": ours is not None and ours < theirs
        for name, theirs in decoding.items()
        if theirs is not None
    }
    return result._replace(checks=checks)
