"""The bare sleep-and-send loop that runs beside ours: what this machine, in this moment, lets anybody do.

python -m tools.bench.control_loop PORT SECONDS
"""

import socket
import sys

from clankvox.clock import SLOT_S, SystemClock
from clankvox.shells.prctl import set_timer_slack


def run(port: int, seconds: float) -> None:
    """Send one datagram that looks like Opus every 20 ms to a loopback port."""
    clock = SystemClock()
    set_timer_slack()
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(("127.0.0.1", port))
    datagram = bytes([0x80, 120]) + bytes(10) + bytes(160)
    started = clock.now()
    for slot in range(round(seconds / SLOT_S)):
        wait_s = started + slot * SLOT_S - clock.now()
        if wait_s > 0:
            clock.sleep(wait_s)
        sender.send(datagram)


if __name__ == "__main__":
    run(int(sys.argv[1]), float(sys.argv[2]))
