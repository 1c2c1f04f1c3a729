"""How evenly Opus leaves while a 720p30 film is read, encoded, sealed and sent from the same process.

Only pacer, publish worker and one thread that prepares Opus packets run here, beside a bare sleep-and-send loop.
"""

import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from random import Random
from typing import Any

import av
import numpy as np
from av.container import InputContainer

from clankvox.app import SWITCH_INTERVAL_S
from clankvox.clock import SystemClock
from clankvox.ids import Attempt, Ssrc
from clankvox.media.container_pictures import ContainerPictures
from clankvox.media.frame_cipher import FrameCipher, Gate
from clankvox.media.opus_encoder import OpusEncoder
from clankvox.media.packet_sealer import PacketSealer
from clankvox.media.publish_line import LineCounters, PublishLine
from clankvox.media.video_path import VideoPath
from clankvox.media.video_sender import VideoSender
from clankvox.media.video_target import HD_720
from clankvox.ports import SendOutcome, SlotReport
from clankvox.shells.pacer import Pacer
from clankvox.shells.publish_worker import PublishWorker
from clankvox.shells.video_lane import VideoLaneStatistics
from clankvox.wire.rtp import build_header
from clankvox.wire.transport_crypto import TransportMode
from tools.bench.pacing import PACKETS_A_SECOND, PPS_BAR, figures
from tools.bench.result import Result
from tools.bench.video_film import film
from tools.bench.wire_tap import WireTap

AUDIO, VIDEO, RTX = Ssrc(1), Ssrc(2), Ssrc(3)


class Speech:
    """Prepares one Opus packet ahead of each slot on a thread of its own, as an actor does."""

    def __init__(self, pacer: Pacer, sealer: PacketSealer, transmit: Any) -> None:
        self._pacer, self._sealer, self._transmit = pacer, sealer, transmit
        self._slots = threading.Semaphore(0)
        self._sequence = 0
        self._encoder = OpusEncoder()
        self._pcm = np.random.default_rng(1).integers(-3000, 3000, (960, 2), np.int16)
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._pacer.subscribe(AUDIO, self._on_slot, self._packet())
        self.thread.start()

    def _on_slot(self, _report: SlotReport) -> None:
        self._slots.release()

    def _run(self) -> None:
        while not self.stopped.is_set():
            self._slots.acquire()
            self._pacer.arm(AUDIO, self._packet())

    def _packet(self) -> Any:
        self._sequence += 1
        header = build_header(
            payload_type=120, sequence=self._sequence % 65536, timestamp=self._sequence * 960, ssrc=AUDIO
        )
        datagram, transmit = self._sealer.seal(header, self._encoder.encode(self._pcm)), self._transmit

        class Packet:
            def send(self) -> SendOutcome:
                transmit(datagram)
                return SendOutcome.SENT

        return Packet()


class Film:
    """A MediaOpener of a file."""

    whole = True

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self) -> InputContainer:
        return av.open(str(self._path))

    def interrupt(self) -> None:
        pass


def run(seconds: float) -> Result:
    """Measure for `seconds`; figures of sound beside the bare loop, and what became of the pictures."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with tempfile.TemporaryDirectory() as name:
        path = film(Path(name) / "film.mp4", seconds + 2)
        ours, control, line, lane = _measure(path, seconds)
    rows: dict[str, tuple[float | None, ...]] = {key: (value, control[key]) for key, value in ours.items()}
    rows |= {"pictures": (line.published, None), "pictures skipped": (line.skipped, None)}
    rows |= {"video packets": (lane.packets, None), "sub-slots": (lane.sub_slots, None)}
    checks = {
        "50.0 +/- 0.1 packets a second": abs(ours["packets_per_second"] - PACKETS_A_SECOND) <= PPS_BAR,
        "no gap above 35 ms of our own": ours["gaps_above_35_ms"] <= control["gaps_above_35_ms"],
        "99 % of the pictures left": line.published >= 0.99 * 30 * seconds - 5,
    }
    return Result(f"sound beside a film, {seconds:g} s", ("clankvox", "control"), rows, checks)


def _measure(
    path: Path, seconds: float
) -> tuple[dict[str, float], dict[str, float], LineCounters, VideoLaneStatistics]:
    sink, bare = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    for each in (sink, bare):
        each.bind(("127.0.0.1", 0))
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * 1024 * 1024)
    out.connect(sink.getsockname())
    sealer, cipher = PacketSealer(TransportMode.AES256_GCM, bytes(32)), FrameCipher()
    cipher.set_gate(Gate.CLEAR)
    pacer = Pacer(SystemClock())
    way = VideoPath(ssrc=VIDEO, rtx_ssrc=RTX, sealer=sealer, cipher=cipher, pacer=pacer, transmit=out.send)
    line = PublishLine(ContainerPictures(Film(path), with_sound=False), HD_720)
    worker = PublishWorker(SystemClock(), lambda _news: None, lambda *_: (line, None))
    worker.attach(Attempt(1), VideoSender(way, Random(1)))  # noqa: S311 - no secret
    speech = Speech(pacer, sealer, out.send)
    with WireTap({"clankvox": sink.getsockname()[1], "control": bare.getsockname()[1]}) as tap:
        control = subprocess.Popen(
            [sys.executable, "-m", "tools.bench.control_loop", str(bare.getsockname()[1]), str(seconds)]
        )
        pacer.start()
        speech.start()
        worker.start(1, None, HD_720)
        control.wait()
        speech.stopped.set()
        worker.stop()
        pacer.stop()
    ours = next(sent for name, sent in tap.sent.items() if name.startswith("clankvox:"))
    theirs = next(sent for name, sent in tap.sent.items() if name.startswith("control:"))
    return figures(ours), figures(theirs), line.counters, pacer.video_statistics()
