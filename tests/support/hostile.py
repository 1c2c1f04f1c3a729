"""An offline Discord that also sends what no server should: datagrams and WebSocket frames of the test's own making."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import numpy as np

from clankvox.loopback.discord import LoopbackDiscord
from clankvox.loopback.session import Session
from tests.support.process_call import RATE_HZ, Call

_WINDOW = RATE_HZ // 100


class HostileDiscord(LoopbackDiscord):
    """Without TLS; `stats` and orders as `OfflineDiscord` has them, so that a Call can use it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(tls=False, **options)
        self.sent: list[bytes] = []
        """Every datagram that went to a client."""

    def __enter__(self):
        super().__enter__()
        sfu = self._server._registry.sfu
        self._put_on_the_wire = sfu._send
        sfu._send = self._send
        return self

    def order(self, fields: dict[str, Any]) -> dict[str, Any]:
        return self.command(fields)

    def stats(self) -> dict[str, Any]:
        return self.command({"type": "stats"})

    def session(self, user_id: str) -> Session:
        (session,) = self._server._registry.sessions_of(int(user_id))
        return session

    def address(self, user_id: str) -> tuple[str, int]:
        """Where the client's UDP socket is."""
        return self.session(user_id).port.address

    def datagram(self, user_id: str, datagram: bytes) -> None:
        """Send `datagram` to a client from the media server's own address."""
        self._later(self._put_on_the_wire, datagram, self.address(user_id))

    def sealed(self, user_id: str, clear: bytes, plaintext: bytes) -> None:
        """Send a packet under the client's transport key, as only the media server can."""

        def seal_and_send() -> None:
            port = self.session(user_id).port
            self._put_on_the_wire(port.transport.seal_rtp(clear, plaintext), port.address)

        self._later(seal_and_send)

    def frame(self, user_id: str, frame: str | bytes) -> None:
        """Send a WebSocket message to a client in the midst of the others."""
        self._later(self.session(user_id).link.put, frame)

    def lag(self, user_id: str, seconds: float) -> None:
        """Let each WebSocket message to a client be so late from now on, in their order; media is not."""

        def delay() -> None:
            link = self.session(user_id).link
            put = link.put
            link.put = lambda frame: self._loop.call_later(seconds, put, frame)  # type: ignore[method-assign]

        self._later(delay)

    def _later(self, call: Callable[..., Any], *arguments: Any) -> None:
        done: Future[None] = Future()

        def run() -> None:
            try:
                call(*arguments)
            except BaseException as error:  # noqa: BLE001 - it is raised again where the result is awaited
                done.set_exception(error)
            else:
                done.set_result(None)

        self._loop.call_soon_threadsafe(run)
        done.result(10)

    def _send(self, datagram: bytes, address: tuple[str, int]) -> None:
        self.sent.append(datagram)
        self._put_on_the_wire(datagram, address)


def mutilated(datagram: bytes, rng: random.Random) -> Iterator[bytes]:
    """Yield what a datagram of ours may look like that is not one any more."""
    for size in (0, 1, 4, 11, 12, 13, len(datagram) // 2, len(datagram) - 1):
        yield datagram[:size]
    yield datagram + b"\0"
    for _ in range(8):
        spoiled = bytearray(datagram)
        spoiled[rng.randrange(len(spoiled))] ^= 1 << rng.randrange(8)
        yield bytes(spoiled)
    yield rng.randbytes(rng.randrange(1, 1_500))
    yield bytes([0x80, 0x78]) + rng.randbytes(100)
    yield bytes([0x9F, 0x78]) + rng.randbytes(20)  # 15 contributing sources and an extension that are not there
    yield bytes([0x81, 0xC9, 0, 7]) + rng.randbytes(28)
    yield b"\0\2\0\x46" + rng.randbytes(70)
    yield b"\x13\x37\xca\xfe" + rng.randbytes(4)


AMID = {"speaking_start"}
PAUSED = AMID | {"speaking_end", "user_audio_end"}


def told_of(call: Call, position: int = 7) -> set[str]:
    """What kinds of events the parent got from `position` on, but for pauses of a speaker who did not get the CPU."""
    told = {event["type"] for event in call.told()[position:]}
    return AMID if told == PAUSED and call.missed_by(call.speaker) else told


def breaks(pcm: np.ndarray, hz: float) -> list[int]:
    """Return after how many ms a tone is not what it was 10 ms before: a gap, a repetition or a foreign sound.

    20 ms are no whole number of periods of 440 Hz, so that also a missing frame turns its phase.
    """
    turns = np.exp(-2j * np.pi * hz * np.arange(len(pcm)) / RATE_HZ)
    windows = len(pcm) // _WINDOW
    means = (pcm * turns)[: windows * _WINDOW].reshape(windows, _WINDOW).mean(axis=1)
    steady = means[3:]  # the beginning of the tone
    jumps = np.abs(np.angle(steady[1:] * steady[:-1].conj())) > 0.5
    faint = np.abs(steady) < np.median(np.abs(steady)) * 0.5
    return sorted({30 + 10 * int(window) for window in (*np.flatnonzero(jumps), *np.flatnonzero(faint))})
