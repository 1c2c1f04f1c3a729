"""What members of our own will send, made ahead: a load that costs next to nothing while something else is measured.

Encryption, RTP and the transport's seal take most of what a member's packet costs. In a rehearsal all of it is done
before, for seconds of speech, and only `sendto` is left.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Final, NamedTuple, Protocol

from clankvox.clock import SLOT_S, Clock
from clankvox.loopback.media_port import Address

_FRAME_S: Final = 150e-6
"""What making a frame takes until we know better."""
_RESERVE: Final = 1.5
_LEAD_S: Final = 0.1

Send = Callable[[bytes, Address], None]


class Rehearsed(NamedTuple):
    """A datagram and the instant at which it is due (monotonic seconds)."""

    at_s: float
    datagram: bytes
    address: Address


class Track(Protocol):
    """Who can say ahead of time what will be due."""

    def rehearse(self, begin_s: float, end_s: float, at: Callable[[float], None]) -> int:
        """Say what is due from `begin_s` to `end_s`, tell `at` the instant of each slot; returns how many frames."""
        ...


class Stage:
    """Stands between the media server and its socket: a rehearsal's datagrams wait here. The event loop owns it."""

    def __init__(self, send: Send, clock: Clock) -> None:
        """Put on the wire with `send`."""
        self._wire = send
        self._clock = clock
        self._at_s: float | None = None
        self._made: list[Rehearsed] = []
        self._due: deque[Rehearsed] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._frame_s = _FRAME_S

    def send(self, datagram: bytes, address: Address) -> None:
        """Send now, or in a rehearsal when it will be due."""
        if self._at_s is None:
            self._wire(datagram, address)
        else:
            self._made.append(Rehearsed(self._at_s, datagram, address))

    async def rehearse(self, tracks: Sequence[Track], seconds: float) -> tuple[float, int]:
        """Make `seconds` of all `tracks`, which are silent so long; returns when they begin, and how many frames."""
        asked_s = self._clock.now()
        begin_s = asked_s + _LEAD_S + _RESERVE * self._frame_s * len(tracks) * seconds / SLOT_S
        frames = 0
        for track in tracks:
            try:
                frames += track.rehearse(begin_s, begin_s + seconds, self._set)
            finally:
                self._at_s = None
            await asyncio.sleep(0)  # the gateway must not wait for a whole room
        if frames:
            self._frame_s = (self._clock.now() - asked_s) / frames
        self._due = deque(sorted([*self._due, *self._made], key=itemgetter(0)))
        self._made.clear()
        if self._timer is None:
            self._perform()
        return begin_s, frames

    def close(self) -> None:
        """Forget what is not sent yet."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _set(self, at_s: float) -> None:
        self._at_s = at_s

    def _perform(self) -> None:
        """Send what is due; the event loop's timers have a resolution of 1 ms, so some go together."""
        due, wire, now = self._due, self._wire, self._clock.now()
        while due and due[0].at_s <= now:
            _, datagram, address = due.popleft()
            wire(datagram, address)
        self._timer = asyncio.get_running_loop().call_at(due[0].at_s, self._perform) if due else None
