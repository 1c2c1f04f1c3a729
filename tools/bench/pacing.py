"""How evenly a minute of TTS leaves into a room with three speaking members, beside a bare loop."""

import base64
import socket
import subprocess
import sys
from typing import Any, Final

import numpy as np

from clankvox.clock import SLOT_S, SystemClock
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from tools.bench.wire_tap import WireTap

RATE_HZ: Final = 24_000
CHUNK_MS: Final = 100
LONG_GAP_S: Final = 0.035
BURST_GAP_S: Final = 0.005
PACKETS_A_SECOND: Final = 50.0
PPS_BAR: Final = 0.1
SPEAKERS: Final = ("101", "102", "103")


def figures(sent_s: list[float]) -> dict[str, float]:
    """Return rate, gap errors in ms, long gaps and bursts of one stream of send times."""
    gaps = np.diff(np.asarray(sent_s))
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


def run(seconds: float) -> dict[str, Any]:
    """Measure for `seconds`; returns the figures of both streams and whether the bars hold."""
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    with OfflineDiscord(["--no-tls"]) as discord, VoxParent() as vox:
        join(vox, discord.endpoint)
        for number, user in enumerate(SPEAKERS):
            tone = 300 + 100 * number
            discord.order({"type": "add_speaker", "userId": user, "serverId": "10", "tone": tone})
            vox.wait_for("speaking_start", userId=user)
            vox.send({"type": "subscribe_user", "userId": user, "captureId": f"k{user}"})
        ports = {"clankvox": int(discord.listening["udpPort"]), "control": sink.getsockname()[1]}
        with WireTap(ports) as tap:
            control = subprocess.Popen(
                [sys.executable, "-m", "tools.bench.control_loop", str(ports["control"]), str(seconds)]
            )
            speak(vox, seconds)
            vox.wait_for("tts_playback_state", status="drained", timeout_s=seconds + 30)
            control.wait()
        clients = {client["userId"]: client for client in discord.stats()["clients"]}
        ours = tap.sent_s[f"clankvox:{int(clients['999']['ssrc']):08x}"]
        bare = next(times for name, times in tap.sent_s.items() if name.startswith("control:"))
        captured = {user: len(vox.audio_of(user)) for user in SPEAKERS}
    return judge(figures(ours), figures(bare), captured)


def judge(ours: dict[str, float], control: dict[str, float], captured: dict[str, int]) -> dict[str, Any]:
    """Hold our figures against the bars; what the control loop suffers too is the machine's."""
    checks = {
        "50.0 +/- 0.1 packets a second": abs(ours["packets_per_second"] - PACKETS_A_SECOND) <= PPS_BAR,
        "no burst": ours["bursts_below_5_ms"] <= control["bursts_below_5_ms"],
        "no gap above 35 ms of our own": ours["gaps_above_35_ms"] <= control["gaps_above_35_ms"],
        "all three members captured": all(captured.values()),
    }
    return {"clankvox": ours, "control": control, "captured_frames": captured, "checks": checks}


def join(vox: VoxParent, endpoint: str) -> None:
    """Join as a parent does, and wait until the transport is ready."""
    vox.send({"type": "join", "connectionId": "bench", "guildId": "10", "channelId": "20"})
    vox.wait_for("adapter_send")
    vox.send({"type": "voice_server", "data": {"endpoint": endpoint, "token": "bench", "guild_id": "10"}})
    vox.send({"type": "voice_state", "data": {"session_id": "bench", "user_id": "999", "channel_id": "20"}})
    vox.wait_for("ready")


def speak(vox: VoxParent, seconds: float) -> None:
    """Write TTS PCM as a synthesiser does, about two seconds ahead of real time."""
    clock = SystemClock()
    started = clock.now()
    samples = RATE_HZ * CHUNK_MS // 1000
    phase = 2 * np.pi * 220 * np.arange(samples) / RATE_HZ
    chunk = base64.b64encode((np.sin(phase) * 8000).astype("<i2").tobytes()).decode()
    for number in range(round(seconds * 1000 / CHUNK_MS)):
        ahead_s = number * CHUNK_MS / 1000 - (clock.now() - started)
        clock.sleep(max(0.0, ahead_s - 2.0))
        vox.send({"type": "audio", "playbackId": "p", "pcmBase64": chunk, "sampleRate": RATE_HZ})
    vox.send({"type": "finish_tts_playback", "playbackId": "p"})
