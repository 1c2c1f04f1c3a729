"""What a captured packet costs in the process, without sockets and threads: our whole receive path beside its parts.

The packets of a room full of speakers go through a real pipeline, outbox and /dev/null on one thread; by turns as many
go through what no capture can do without: AEAD, DAVE where it is on, Opus, one write. CPU time, not wall time.
"""

import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import numpy as np

from clankvox.clock import SLOT_S
from clankvox.ids import Attempt, Ssrc, UserId
from clankvox.ledger import Fate
from clankvox.media.capture_board import CaptureBoard, CaptureConfig
from clankvox.media.frame_cipher import FrameCipher, Gate
from clankvox.media.opus_decoder import OpusDecoder
from clankvox.media.packet_sealer import PacketSealer
from clankvox.media.receive import ReceivePipeline
from clankvox.outbox import Outbox, wipe
from clankvox.outlets import PcmOutlet
from clankvox.wire.rtp import build_extensions, build_header
from clankvox.wire.transport_crypto import TransportMode
from tools.bench.dave_group import DaveGroup
from tools.bench.plain_opus import encode
from tools.bench.result import Result
from tools.bench.room import RATE_HZ

SPEAKERS: Final = 25
RATIO_BAR: Final = 2.0
_COLUMNS: Final = ("us a packet", "bare us a packet", "ratio")
_USERS: Final = [UserId(1_001 + number) for number in range(SPEAKERS)]
_KEY: Final = bytes(range(32))
_BODY: Final = build_extensions({1: b"\x8a"})
"""The audio level, which most clients send."""
_CYCLE_S: Final = 5.0
_SILENCE_MS: Final = 500
_CHUNK: Final = 10 * SPEAKERS


class Arrival(NamedTuple):
    """One packet on its way in."""

    at_s: float
    speaker: int
    datagram: bytes


class Path(NamedTuple):
    """What packets go through."""

    arrivals: list[Arrival]
    step: Callable[[Arrival], None]
    """What happens to one."""


class Plain(NamedTuple):
    """Nothing to encrypt or open beyond the transport."""

    def seal(self, _speaker: int, frame: bytes) -> bytes:
        """Return the frame."""
        return frame

    def open(self, _speaker: int, frame: bytes) -> bytes:
        """Return the frame."""
        return frame


class Grouped:
    """A group in which everybody encrypts."""

    def __init__(self) -> None:
        self._group = DaveGroup(_USERS)
        self.engine = self._group.ours

    def seal(self, speaker: int, frame: bytes) -> bytes:
        """Return the DAVE frame of a speaker."""
        return self._group.members[_USERS[speaker]].encrypt_opus(frame)

    def open(self, speaker: int, frame: bytes) -> bytes:
        """Return what a DAVE frame holds."""
        return self.engine.decrypt_audio(_USERS[speaker], frame)


def run(seconds: float) -> Result:
    """Measure `seconds` of speech of 25 people, in clear and encrypted end to end."""
    rows: dict[str, tuple[float | None, ...]] = {}
    ratios = []
    for name, make in (("in clear", Plain), ("encrypted end to end", Grouped)):
        with our_path(make(), seconds) as ours, bare_path(make(), seconds) as bare:
            ours_us, bare_us = by_turns(ours, bare)
        ratios.append(ours_us / bare_us)
        rows[name] = (ours_us, bare_us, ratios[-1])
    checks = {f"<= {RATIO_BAR:g} times AEAD, DAVE, Opus and write": max(ratios) <= RATIO_BAR}
    return Result(f"receive path of {SPEAKERS} speakers, {seconds:g} s of each", _COLUMNS, rows, checks)


@contextmanager
def our_path(dave: Plain | Grouped, seconds: float) -> Iterator[Path]:
    """Yield the receive path, from the datagram to the written frame; RuntimeError if it did not hear all."""
    arrivals = packets(dave, seconds)
    outbox = Outbox()
    pipeline = _pipeline(dave, outbox)
    with _nowhere() as fd:

        def step(arrival: Arrival) -> None:
            pipeline.feed(arrival.datagram, arrival.at_s)
            pipeline.poll(arrival.at_s)
            while (frame := outbox.take_audio(select.PIPE_BUF)) is not None:
                os.write(fd, frame)
                wipe(frame)

        yield Path(arrivals, step)
    decoded = sum(report.ledger.fates[Fate.DECODED] for report in pipeline.reports())
    if decoded != len(arrivals):
        raise RuntimeError(f"{decoded} of {len(arrivals)} packets were heard")


@contextmanager
def bare_path(dave: Plain | Grouped, seconds: float) -> Iterator[Path]:
    """Yield AEAD, DAVE, Opus and write."""
    arrivals = packets(dave, seconds)
    opener = PacketSealer(TransportMode.AES256_GCM, _KEY)
    decoders = [OpusDecoder(RATE_HZ) for _ in range(SPEAKERS)]
    with _nowhere() as fd:

        def step(arrival: Arrival) -> None:
            frame = opener.open(arrival.datagram, 16)[len(_BODY) :]
            os.write(fd, decoders[arrival.speaker].decode(dave.open(arrival.speaker, frame)).data)

        yield Path(arrivals, step)


def by_turns(*paths: Path) -> list[float]:
    """Return the CPU time that each of them takes; us a packet.

    They take turns, so that all suffer from what else runs on the machine; of the turns the medians count.
    """
    taken_us: list[list[float]] = [[] for _ in paths]
    for start in range(0, len(paths[0].arrivals), _CHUNK):
        for path, taken in zip(paths, taken_us, strict=True):
            chunk = path.arrivals[start : start + _CHUNK]
            before_s = time.process_time()
            for arrival in chunk:
                path.step(arrival)
            taken.append((time.process_time() - before_s) * 1e6 / len(chunk))
    return [float(np.median(taken)) for taken in taken_us]


def packets(dave: Plain | Grouped, seconds: float) -> list[Arrival]:
    """Return what so many speakers send, in the order of arrival: each on a grid of his own."""
    at = np.arange(round(_CYCLE_S * 48_000))
    sealer = PacketSealer(TransportMode.AES256_GCM, _KEY)
    voices = [_frames(np.rint(6_000 * np.sin(2 * np.pi * (200 + 90 * tone) * at / 48_000))) for tone in range(3)]
    found = []
    for slot in range(round(seconds / SLOT_S)):
        for speaker in range(SPEAKERS):
            frames = voices[speaker % len(voices)]
            header = build_header(
                payload_type=120, sequence=slot & 0xFFFF, timestamp=slot * 960, ssrc=speaker + 1, extension_words=1
            )
            payload = dave.seal(speaker, frames[slot % len(frames)])
            at_s = 100.0 + (slot + speaker / SPEAKERS) * SLOT_S
            found.append(Arrival(at_s, speaker, sealer.seal(header, _BODY + payload)))
    return found


def _frames(pcm: Any) -> list[bytes]:
    noise = np.random.default_rng(1).normal(0, 300, len(pcm))
    return encode(np.rint(pcm + noise).astype(np.int16))


def _pipeline(dave: Plain | Grouped, outbox: Outbox) -> ReceivePipeline:
    cipher, board = FrameCipher(), CaptureBoard()
    if isinstance(dave, Grouped):
        cipher.install(dave.engine)
    else:
        cipher.set_gate(Gate.CLEAR)
    pipeline = ReceivePipeline(cipher, board, PcmOutlet(outbox), _NoFacts())
    pipeline.attach(Attempt(1), Ssrc(999))
    pipeline.open_with(PacketSealer(TransportMode.AES256_GCM, _KEY))
    for number, user in enumerate(_USERS):
        pipeline.hint(Ssrc(number + 1), user)
        board.arm(user, CaptureConfig(1, None, RATE_HZ, _SILENCE_MS))
    return pipeline


class _NoFacts:
    """ReceiveFacts that are told to nobody."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_args: None


@contextmanager
def _nowhere() -> Iterator[int]:
    fd = os.open(os.devnull, os.O_WRONLY)
    try:
        yield fd
    finally:
        os.close(fd)
