"""clankvox beside @discordjs/voice, which hear the same members at the same moment: latency and CPU.

clankvox orders, decodes and resamples, and writes PCM to a pipe; the library hands over Opus packets in its own
process, without order or concealment. A second one decodes them by opusscript, which the library falls back to.
"""

import contextlib
import json
import os
import subprocess
import time
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from clankvox.clock import SystemClock
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from tests.support.peers import PEERS
from tools.bench.accounting import Meter
from tools.bench.call import SERVER, join
from tools.bench.capture import latencies, pieces_of, ssrcs_of
from tools.bench.result import Result
from tools.bench.room import Room, media_port
from tools.bench.senders import installed
from tools.bench.wire_tap import Datagram, FarTap

SPEAKERS: Final = 10
CHANNEL: Final = "20"
_LEARN_S: Final = 2.0
_COLUMNS: Final = ("p50 ms", "p99 ms", "CPU s/min")
_PACKETS_ONLY: Final = "discord.js, packets"
_DECODED: Final = "discord.js, decoded"


class Receiver:
    """A context: a process with @discordjs/voice in our room. `heard` tells when packets came, once it has ended."""

    def __init__(self, discord: OfflineDiscord, user_id: str, *, decode: bool) -> None:
        fields = {"endpoint": discord.endpoint, "guildId": SERVER, "channelId": CHANNEL, "userId": user_id}
        script = str(PEERS / "discordjs_receiver.mjs")
        self._command = ["node", "--no-warnings", script, json.dumps({**fields, "decode": decode})]
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
        self.heard = {user_id: [at_ms / 1000 for at_ms in times] for user_id, times in found["heard"].items()}

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid


def run(seconds: float) -> Result:
    """Listen to ten members for `seconds`. PermissionError where the library is not installed."""
    if "discord.js Node" not in installed():
        raise PermissionError("@discordjs/voice is not installed: make peers")
    clock = SystemClock()
    with contextlib.ExitStack() as stack:
        discord = stack.enter_context(OfflineDiscord(["--channel", f"{SERVER}={CHANNEL}"]))
        vox = stack.enter_context(VoxParent(env={"SSL_CERT_FILE": str(discord.ca_file)}))
        join(vox, discord.endpoint)
        with contextlib.ExitStack() as others:
            kinds = {_PACKETS_ONLY: False, _DECODED: True}
            peers = {
                name: others.enter_context(Receiver(discord, str(600 + number), decode=decode))
                for number, (name, decode) in enumerate(kinds.items())
            }
            room = others.enter_context(Room(discord, vox))
            room.fill(SPEAKERS)
            clock.sleep(_LEARN_S)
            since = vox.mark()
            pids = {"clankvox": vox.pid, **{name: peer.pid for name, peer in peers.items()}}
            with FarTap({name: media_port(pid) for name, pid in pids.items()}) as tap:
                meters = {name: Meter(pid) for name, pid in pids.items()}
                clock.sleep(seconds)
                cpu_s = {name: meter.read().cpu_per_minute / SPEAKERS for name, meter in meters.items()}
            pieces = pieces_of(vox, since)
        told_s = {"clankvox": {user: [piece.at_s for piece in pieces.get(user, [])] for user in room.users}}
        told_s |= {name: peer.heard for name, peer in peers.items()}
        members = ssrcs_of(vox)
    return judge(tap.sent, told_s, members, cpu_s, f"receivers of {SPEAKERS} members, {seconds:g} s")


def judge(
    sent: dict[str, list[Datagram]],
    told_s: dict[str, dict[str, list[float]]],
    members: dict[str, int],
    cpu_s: dict[str, float],
    title: str,
) -> Result:
    """Put all beside each other; CPU is for a minute of one speaker."""
    to_wall_s = time.time() - SystemClock().now()
    rows: dict[str, tuple[float | None, ...]] = {}
    samples: dict[str, list[float]] = {}
    for name, told in told_s.items():
        found = [
            latencies(sent[f"{name}:{ssrc:08x}"], told.get(user_id, []), to_wall_s)[0]
            for user_id, ssrc in members.items()
        ]
        samples[name] = [wait_ms for each in found for wait_ms in each]
        p50, p99 = np.percentile(samples[name], (50, 99)) if samples[name] else (float("nan"), float("nan"))
        rows[name] = (float(p50), float(p99), cpu_s[name])
    result = Result(title, _COLUMNS, rows, {}, samples)
    ours, theirs = result.at("clankvox", "CPU s/min"), result.at(_DECODED, "CPU s/min")
    checks = {"less CPU than @discordjs/voice with its decoder": ours is not None and ours < (theirs or 0)}
    return result._replace(checks=checks)
