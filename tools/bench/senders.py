"""clankvox beside other libraries that speak at the same moment, each in a room of its own: pacing and CPU.

The others make up their tone themselves, which costs them little; clankvox gets its PCM as commands on stdin.
"""

import contextlib
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

from clankvox.clock import SystemClock
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from tests.support.peers import PEERS, DiscordJs, DiscordPy, Peer
from tools.bench.accounting import Meter
from tools.bench.call import OURSELVES, SERVER, join, say
from tools.bench.pacing import RATE_HZ, errors_ms, figures, tone_of
from tools.bench.result import Result
from tools.bench.room import Room
from tools.bench.wire_tap import Datagram, WireTap

_BUN: Final = Path("tests/examples/node_modules/.bin/bun")
_GUARD_S: Final = 1.0
_FIRST_ROOM: Final = 30
CPU_ROW: Final = "CPU s a minute of speech"
RSS_ROW: Final = "RSS MiB"
_SHOWN: Final = ("gap_error_p50_ms", "gap_error_p99_ms", "gap_error_p999_ms", "gap_error_max_ms")


class DiscordJsOnBun(DiscordJs):
    """@discordjs/voice, unmodified, where Bun runs it."""

    command = (shutil.which("bun") or str(_BUN.absolute()), str(PEERS / "discordjs_peer.mjs"))


def run(seconds: float) -> Result:
    """Let all that are installed speak for `seconds`."""
    kinds = installed()
    rooms = {name: str(_FIRST_ROOM + number) for number, name in enumerate(kinds)}
    channels = [part for server in rooms.values() for part in ("--channel", f"{server}=6")]
    with contextlib.ExitStack() as stack:
        discord = stack.enter_context(OfflineDiscord(channels))
        trust = {"SSL_CERT_FILE": str(discord.ca_file)}
        vox = stack.enter_context(VoxParent(env=trust))
        join(vox, discord.endpoint)
        Room(discord, vox).listener()
        peers = {name: _enter(stack, discord, vox, kinds[name], server) for name, server in rooms.items()}
        sent, used = _measure(discord, vox, peers, seconds)
    return judge(sent, used, seconds)


def installed() -> dict[str, type[Peer]]:
    """Return the libraries that are there, by name."""
    found: dict[str, type[Peer]] = {"discord.py": DiscordPy}
    if (PEERS / "node_modules" / "@discordjs" / "voice").exists():
        if shutil.which("node"):
            found["discord.js Node"] = DiscordJs
        if Path(DiscordJsOnBun.command[0]).exists():
            found["discord.js Bun"] = DiscordJsOnBun
    return found


def judge(sent: dict[str, list[Datagram]], used: dict[str, tuple[float, float]], seconds: float) -> Result:
    """Put all beside each other; better than each is the bar. `used` is CPU seconds a minute, and MiB."""
    found = {name: figures(each) for name, each in sent.items()}
    columns = tuple(found)
    rows: dict[str, tuple[float | None, ...]] = {
        row: tuple(found[name][row] for name in columns) for row in ("packets", "packets_per_second", *_SHOWN)
    }
    for number, row in enumerate((CPU_ROW, RSS_ROW)):
        rows[row] = tuple(used[name][number] if name in used else None for name in columns)
    ours = found["clankvox"]
    others = [name for name in columns if name not in {"clankvox", "control"}]
    checks = {
        f"{row} better than {name}": ours[row] < found[name][row]
        for name in others
        for row in ("gap_error_p50_ms", "gap_error_p99_ms", "gap_error_max_ms")
    }
    samples = {name: errors_ms(each).tolist() for name, each in sent.items()}
    return Result(f"senders at the same moment, {seconds:g} s", columns, rows, checks, samples)


def _enter(stack: contextlib.ExitStack, discord: OfflineDiscord, vox: VoxParent, kind: type[Peer], server: str) -> Peer:
    peer = stack.enter_context(kind(discord, 400 + int(server), int(server), 6))
    peer.join()
    Room(discord, vox, server).listener(str(500 + int(server)))
    return peer


def _measure(
    discord: OfflineDiscord, vox: VoxParent, peers: dict[str, Peer], seconds: float
) -> tuple[dict[str, list[Datagram]], dict[str, tuple[float, float]]]:
    clock = SystemClock()
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    ports = {"discord": int(discord.listening["udpPort"]), "control": sink.getsockname()[1]}
    for number, peer in enumerate(peers.values()):
        peer.play(300 + 100 * number)
    clock.sleep(_GUARD_S)
    meters = {"clankvox": Meter(vox.pid), **{name: Meter(peer.pid) for name, peer in peers.items()}}
    with WireTap(ports) as tap:
        command = [sys.executable, "-m", "tools.bench.control_loop", str(ports["control"]), str(seconds)]
        with subprocess.Popen(command):
            say(vox, "p", tone_of(seconds), RATE_HZ)
            vox.wait_for("tts_playback_state", status="drained", timeout_s=seconds + 30)
        used = {name: (meter.read().cpu_per_minute, meter.rss_mib()) for name, meter in meters.items()}
    ssrcs = {(each["serverId"], each["userId"]): int(each["ssrc"]) for each in discord.stats()["clients"]}
    sent = {"clankvox": tap.sent[f"discord:{ssrcs[SERVER, OURSELVES]:08x}"]}
    sent["control"] = next(times for name, times in tap.sent.items() if name.startswith("control:"))
    for name, peer in peers.items():
        sent[name] = tap.sent[f"discord:{ssrcs[peer.server, peer.user]:08x}"]
    return sent, used
