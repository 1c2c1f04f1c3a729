"""The least that any capture has to do: receive, open the AEAD, decode Opus, write; no DAVE, no order, no users.

python -m tools.bench.bare_receiver SPEAKERS SECONDS writes its CPU seconds to stderr; its PCM goes to stdout.
`run` feeds it with as many packets a second as so many speakers send.
"""

import os
import random
import socket
import subprocess
import sys
import threading
from typing import Final

import numpy as np

from clankvox.clock import SLOT_S, SystemClock
from clankvox.media.opus_decoder import OpusDecoder
from clankvox.wire.rtp import build_header
from clankvox.wire.transport_crypto import TransportMode, open_sealed, seal
from tools.bench.plain_opus import encode
from tools.bench.room import RATE_HZ

_KEY: Final = bytes(32)
_MODE: Final = TransportMode.AES256_GCM
_HEADER_BYTES: Final = 12
_CYCLE: Final = 50
_END: Final = b"end"


def run(speakers: int, seconds: float) -> float:
    """Return the CPU seconds of the bare loop for `seconds` of `speakers`; blocks for so long."""
    command = [sys.executable, "-m", "tools.bench.bare_receiver", str(speakers)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if process.stdout is None or process.stderr is None:
        raise OSError("no pipes")
    port = int(process.stderr.readline())
    drain = threading.Thread(target=_drain, args=(process.stdout,), daemon=True)
    drain.start()
    feed(port, speakers, seconds)
    used_s = float(process.stderr.readline())
    process.communicate()
    return used_s


def feed(port: int, speakers: int, seconds: float) -> None:
    """Send what so many speakers send, each on a grid of his own."""
    clock = SystemClock()
    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    wire.connect(("127.0.0.1", port))
    packets = _packets(speakers)
    draws = random.Random(1)  # noqa: S311 - reproducible, not secret
    phases = sorted(draws.uniform(0, SLOT_S) for _ in range(speakers))
    started = clock.now()
    for slot in range(round(seconds / SLOT_S)):
        for speaker, phase_s in enumerate(phases):
            clock.sleep(max(0.0, started + slot * SLOT_S + phase_s - clock.now()))
            wire.send(packets[speaker][slot % _CYCLE])
    wire.send(_END)


def receive(speakers: int) -> float:
    """Be the bare loop until the end is told; returns its CPU seconds."""
    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
    wire.bind(("127.0.0.1", 0))
    decoders = [OpusDecoder(RATE_HZ) for _ in range(speakers)]
    sys.stderr.write(f"{wire.getsockname()[1]}\n")
    sys.stderr.flush()
    out = sys.stdout.fileno()
    before = os.times()
    while len(datagram := wire.recv(2048)) > len(_END):
        speaker = int.from_bytes(datagram[8:_HEADER_BYTES], "big")
        os.write(out, decoders[speaker].decode(open_sealed(_MODE, _KEY, datagram, _HEADER_BYTES)))
    after = os.times()
    return after.user + after.system - before.user - before.system


def _packets(speakers: int) -> list[list[bytes]]:
    at = np.arange(48_000)
    frames = encode(np.rint(8_192 * np.sin(2 * np.pi * 300 * at / 48_000)).astype(np.int16))[:_CYCLE]
    return [
        [
            seal(_MODE, _KEY, header, frame, number.to_bytes(4, "big"))
            for number, frame in enumerate(frames)
            for header in [build_header(payload_type=120, sequence=number, timestamp=number * 960, ssrc=speaker)]
        ]
        for speaker in range(speakers)
    ]


def _drain(stream: object) -> None:
    while os.read(stream.fileno(), 65_536):  # type: ignore[attr-defined]  # a pipe
        pass


if __name__ == "__main__":
    used = receive(int(sys.argv[1]))
    sys.stderr.write(f"{used}\n")
    sys.stderr.flush()
