"""The least that any capture has to do: receive, open the AEAD, decode Opus, write; no DAVE, no order, no users.

python -m tools.bench.bare_receiver receive SPEAKERS writes its port and at the end its CPU seconds to stderr; its PCM
goes to stdout. python -m tools.bench.bare_receiver feed PORT SPEAKERS SECONDS sends what so many speakers send.
"""

import math
import os
import random
import socket
import subprocess
import sys
import time
from types import TracebackType
from typing import Final, Self

import numpy as np

from clankvox.clock import SLOT_S, SystemClock
from clankvox.media.opus_decoder import OpusDecoder
from clankvox.wire.rtp import build_header
from clankvox.wire.transport_crypto import TransportMode, opener, seal
from tools.bench.plain_opus import encode
from tools.bench.room import RATE_HZ

_KEY: Final = bytes(32)
_MODE: Final = TransportMode.AES256_GCM
_HEADER_BYTES: Final = 12
_CYCLE: Final = 50
_END: Final = b"end"
_TICK_S: Final = 0.001
"""Packets come as they come from the offline Discord, whose timers have this resolution."""


class BareLoop:
    """A context: from `begin` on the bare loop runs for so long beside what is measured, and hears as many speakers.

    Leaving the context waits for its end; then `cpu_s` tells what it took.
    """

    def __init__(self, speakers: int, seconds: float) -> None:
        """Hear `speakers` for `seconds`."""
        self._speakers, self._seconds = str(speakers), str(seconds)
        self.cpu_s = 0.0

    def __enter__(self) -> Self:
        module = [sys.executable, "-m", "tools.bench.bare_receiver"]
        reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        receive = [*module, "receive", self._speakers]
        self._receiver = subprocess.Popen(receive, stdout=reader.stdin, stderr=subprocess.PIPE)
        if reader.stdin is None or self._receiver.stderr is None:
            raise OSError("no pipes")
        reader.stdin.close()
        self._told = self._receiver.stderr
        port = self._told.readline().decode().strip()
        feed = [*module, "feed", port, self._speakers, self._seconds]
        self._feeder = subprocess.Popen(feed, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self._feeder.stdout is None or not self._feeder.stdout.readline():
            raise OSError("the bare loop has nothing to hear")
        self._processes = reader, self._receiver, self._feeder
        return self

    def begin(self) -> None:
        """Let it hear something."""
        if self._feeder.stdin is not None:
            self._feeder.stdin.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            for process in self._processes:
                process.kill()
        told = self._told.readline()
        self._told.close()
        for process in self._processes:
            process.wait()
        if kind is None:
            self.cpu_s = float(told)

    @property
    def per_speaker_minute(self) -> float:
        """CPU seconds for a minute of one speaker."""
        return self.cpu_s / float(self._seconds) * 60 / int(self._speakers)


def feed(port: int, speakers: int, seconds: float) -> None:
    """Send what so many speakers send, each on a grid of his own, once stdin has ended."""
    clock = SystemClock()
    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    wire.connect(("127.0.0.1", port))
    packets = _packets(speakers)
    draws = random.Random(1)  # noqa: S311 - reproducible, not secret
    phases = sorted(math.ceil(draws.uniform(0, SLOT_S) / _TICK_S) * _TICK_S for _ in range(speakers))
    sys.stdout.write("there\n")
    sys.stdout.flush()
    sys.stdin.read()
    started = clock.now()
    for slot in range(round(seconds / SLOT_S)):
        for speaker, phase_s in enumerate(phases):
            if (wait_s := started + slot * SLOT_S + phase_s - clock.now()) > 0:
                clock.sleep(wait_s)
            wire.send(packets[speaker][slot % _CYCLE])
    clock.sleep(SLOT_S)
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
    opened = opener(_MODE, _KEY)
    before = time.process_time()
    while len(datagram := wire.recv(2048)) > len(_END):
        speaker = int.from_bytes(datagram[8:_HEADER_BYTES], "big")
        os.write(out, decoders[speaker].decode(opened(datagram, _HEADER_BYTES)))
    return time.process_time() - before


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


if __name__ == "__main__":
    if sys.argv[1] == "feed":
        feed(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
    else:
        used = receive(int(sys.argv[2]))
        sys.stderr.write(f"{used}\n")
        sys.stderr.flush()
