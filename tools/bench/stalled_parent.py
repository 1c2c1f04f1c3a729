"""What a parent that does not read for a minute costs: no packet of what we say, and memory only up to a bound."""

import contextlib
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Final

from clankvox.clock import SystemClock
from clankvox.demo.offline import OfflineDiscord
from tools.bench import pacing
from tools.bench.accounting import Meter
from tools.bench.call import counters, join, say
from tools.bench.odd_parents import DawdlingParent
from tools.bench.result import Result
from tools.bench.wire_tap import Datagram, WireTap

LANES_MIB: Final = 32 + 16
"""What waits for the parent: 32 MiB of speech at most, and room for what Python needs beside it."""
_LEAD_S: Final = 1.0
"""Of speech before the parent stalls, and behind its return."""


def run(seconds: float) -> Result:
    """Let 25 members be captured and speak ourselves, while the parent reads nothing for `seconds`."""
    bare_sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bare_sink.bind(("127.0.0.1", 0))
    said_s = seconds + 2 * _LEAD_S
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        discord = stack.enter_context(OfflineDiscord(["--no-tls"]))
        vox = stack.enter_context(DawdlingParent())
        join(vox, discord.endpoint)
        room = stack.enter_context(pacing.speaking_room(discord, vox, folder, said_s))
        room.rehearse(said_s)
        ports = {"clankvox": int(discord.listening["udpPort"]), "control": bare_sink.getsockname()[1]}
        meter, since = Meter(vox.pid), vox.mark()
        before_mib = meter.rss_mib()
        with WireTap(ports) as tap:
            command = [sys.executable, "-m", "tools.bench.control_loop", str(ports["control"]), str(said_s)]
            with subprocess.Popen(command):
                grown_mib = _speak_unheard(vox, meter, seconds, said_s) - before_mib
        vox.wait_for("tts_playback_state", status="drained", since=since, timeout_s=said_s)
        dropped = counters(vox)["ipcLanes"]["audioDropped"]
        ours = tap.sent[f"clankvox:{pacing.call_ssrc(discord):08x}"]
        bare = next(sent for name, sent in tap.sent.items() if name.startswith("control:"))
    return judge(ours, bare, grown_mib, dropped, seconds)


def _speak_unheard(vox: DawdlingParent, meter: Meter, seconds: float, said_s: float) -> float:
    """Say something for `said_s`, of which the parent sleeps `seconds`; return the memory at the end of its sleep."""
    clock = SystemClock()
    speech = threading.Thread(target=say, args=(vox, "p", pacing.tone_of(said_s), pacing.RATE_HZ))
    speech.start()
    clock.sleep(_LEAD_S)
    vox.reading.clear()
    clock.sleep(seconds)
    rss_mib = meter.rss_mib()
    vox.reading.set()
    speech.join()
    clock.sleep(2 * _LEAD_S)
    return rss_mib


def judge(sent: list[Datagram], bare: list[Datagram], grown_mib: float, dropped: int, seconds: float) -> Result:
    """Hold pacing against the control loop, and memory against the lanes' bound."""
    result = pacing.judge(sent, bare, {"gap_error_p99_ms": 1.0}, f"a parent that reads nothing for {seconds:g} s")
    rows = {**result.rows, "memory grown, MiB": (grown_mib, None), "frames of captures dropped": (float(dropped), None)}
    checks = {**result.checks, f"memory grows by at most {LANES_MIB} MiB": grown_mib <= LANES_MIB}
    return result._replace(rows=rows, checks=checks)
