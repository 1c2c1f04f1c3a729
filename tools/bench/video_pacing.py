"""How evenly Opus leaves while a 720p30 film is read, encoded, sealed and sent from the same process.

python -m tools.bench.video_pacing [--seconds 30] [--no-video]: the cadence of one stream of Opus on the pacer, as the
kernel stamps it, beside a bare sleep-and-send loop in the same moment.
"""

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import threading
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import av
import numpy as np
from av.container import InputContainer

from clankvox.clock import SystemClock
from clankvox.ids import Ssrc
from clankvox.media.container_pictures import ContainerPictures
from clankvox.media.frame_cipher import FrameCipher, Gate
from clankvox.media.opus_encoder import OpusEncoder
from clankvox.media.packet_sealer import PacketSealer
from clankvox.media.publish_line import PublishLine
from clankvox.media.video_path import VideoPath
from clankvox.media.video_sender import VideoSender
from clankvox.media.video_target import HD_720
from clankvox.ports import SendOutcome, SlotReport
from clankvox.shells.pacer import Pacer
from clankvox.shells.publish_worker import PublishWorker
from clankvox.wire.rtp import build_header
from clankvox.wire.transport_crypto import TransportMode
from tools.bench.pacing import figures
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


def film(path: Path, seconds: float) -> Path:
    """Write a moving 720p30 test picture as H.264."""
    with av.open(f"testsrc2=s=1280x720:r=30:d={seconds}", format="lavfi") as pictures, av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"preset": "ultrafast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for number, frame in enumerate(pictures.decode(video=0)):
            picture = frame.reformat(format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, 30)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return path


def run(seconds: float, *, video: bool, folder: Path) -> dict[str, Any]:
    """Measure for `seconds`; returns the figures of both streams and what became of the pictures."""
    sink, bare = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    for each in (sink, bare):
        each.bind(("127.0.0.1", 0))
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * 1024 * 1024)
    out.connect(sink.getsockname())
    sealer = PacketSealer(TransportMode.AES256_GCM, bytes(32))
    cipher = FrameCipher()
    cipher.set_gate(Gate.CLEAR)
    clock = SystemClock()
    pacer = Pacer(clock)
    path = VideoPath(ssrc=VIDEO, rtx_ssrc=RTX, sealer=sealer, cipher=cipher, pacer=pacer, transmit=out.send)
    lines: list[PublishLine] = []

    def make_line(_request: Any, target: Any, audio: Any) -> tuple[PublishLine, None]:
        source = ContainerPictures(Film(folder / "film.mp4"), with_sound=False)
        lines.append(PublishLine(source, target, audio))
        return lines[-1], None

    worker = PublishWorker(clock, lambda news: print(news, file=sys.stderr), make_line)
    worker.attach(1, VideoSender(path, Random(1)))  # noqa: S311 - no secret
    speech = Speech(pacer, sealer, out.send)
    with WireTap({"clankvox": sink.getsockname()[1], "control": bare.getsockname()[1]}) as tap:
        control = subprocess.Popen(
            [sys.executable, "-m", "tools.bench.control_loop", str(bare.getsockname()[1]), str(seconds)]
        )
        pacer.start()
        speech.start()
        if video:
            worker.start(1, None, HD_720)
        control.wait()
        speech.stopped.set()
        worker.stop()
        pacer.stop()
    ours = next(times for name, times in tap.sent.items() if name.startswith("clankvox:"))
    theirs = next(times for name, times in tap.sent.items() if name.startswith("control:"))
    result: dict[str, Any] = {"clankvox": figures(ours), "control": figures(theirs)}
    if video:
        result["pictures"] = lines[0].counters._asdict()
        result["lane"] = pacer.video_statistics()._asdict()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.video_pacing")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--no-video", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not options.no_video:
            film(folder / "film.mp4", options.seconds + 2)
        result = run(options.seconds, video=not options.no_video, folder=folder)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
