"""How evenly a minute of TTS leaves into a room with three speaking members, beside a bare loop."""

import socket
import subprocess
import sys
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clankvox.clock import SLOT_S
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from tools.bench.call import OURSELVES, SERVER, join, say
from tools.bench.result import Result
from tools.bench.wire_tap import Datagram, WireTap

RATE_HZ: Final = 24_000
LONG_GAP_S: Final = 0.035
BURST_GAP_S: Final = 0.005
PACKETS_A_SECOND: Final = 50.0
PPS_BAR: Final = 0.1
SPEAKERS: Final = ("101", "102", "103")


def figures(sent: list[Datagram]) -> dict[str, float]:
    """Return rate, gap errors in ms, long gaps and bursts of one stream."""
    sent_s = np.array([datagram.at_s for datagram in sent])
    gaps = np.diff(sent_s)
    errors_ms = np.abs(gaps - SLOT_S) * 1000
    return {
        "packets": len(sent_s),
        "packets_per_second": float(len(gaps) / (sent_s[-1] - sent_s[0])),
        "gap_error_p50_ms": float(np.percentile(errors_ms, 50)),
        "gap_error_p99_ms": float(np.percentile(errors_ms, 99)),
        "gap_error_p999_ms": float(np.percentile(errors_ms, 99.9)),
        "gap_error_max_ms": float(errors_ms.max()),
        "gaps_above_35_ms": int((gaps > LONG_GAP_S).sum()),
        "bursts_below_5_ms": int((gaps < BURST_GAP_S).sum()),
    }


def run(seconds: float) -> Result:
    """Measure for `seconds`; figures of both streams and whether the bars hold."""
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    with OfflineDiscord(["--no-tls"]) as discord, VoxParent() as vox:
        join(vox, discord.endpoint)
        for number, user in enumerate(SPEAKERS):
            tone = 300 + 100 * number
            discord.order({"type": "add_speaker", "userId": user, "serverId": SERVER, "tone": tone})
            vox.wait_for("speaking_start", userId=user)
            vox.send({"type": "subscribe_user", "userId": user, "captureId": f"k{user}"})
        ports = {"clankvox": int(discord.listening["udpPort"]), "control": sink.getsockname()[1]}
        with WireTap(ports) as tap:
            control = subprocess.Popen(
                [sys.executable, "-m", "tools.bench.control_loop", str(ports["control"]), str(seconds)]
            )
            say(vox, "p", tone_of(seconds), RATE_HZ)
            vox.wait_for("tts_playback_state", status="drained", timeout_s=seconds + 30)
            control.wait()
        clients = {client["userId"]: client for client in discord.stats()["clients"]}
        ours = tap.sent[f"clankvox:{int(clients[OURSELVES]['ssrc']):08x}"]
        bare = next(times for name, times in tap.sent.items() if name.startswith("control:"))
        captured = all(vox.audio_of(user) for user in SPEAKERS)
    return judge(figures(ours), figures(bare), captured, f"pacing, {seconds:g} s of TTS")


def judge(ours: dict[str, float], control: dict[str, float], captured: bool, title: str) -> Result:
    """Hold our figures against the bars; what the control loop suffers too is the machine's."""
    checks = {
        "50.0 +/- 0.1 packets a second": abs(ours["packets_per_second"] - PACKETS_A_SECOND) <= PPS_BAR,
        "no burst": ours["bursts_below_5_ms"] <= control["bursts_below_5_ms"],
        "no gap above 35 ms of our own": ours["gaps_above_35_ms"] <= control["gaps_above_35_ms"],
        "all three members captured": captured,
    }
    rows: dict[str, tuple[float | None, ...]] = {name: (value, control[name]) for name, value in ours.items()}
    return Result(title, ("clankvox", "control"), rows, checks)


def tone_of(seconds: float) -> NDArray[np.int16]:
    """Return 220 Hz, int16 mono."""
    return (np.sin(2 * np.pi * 220 * np.arange(int(seconds * RATE_HZ)) / RATE_HZ) * 8000).astype(np.int16)
