"""One role's UDP socket, as the actors see it: the link of the current attempt and the counters of all of them."""

import ipaddress
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from clankvox.clock import Clock
from clankvox.errors import TransportLost
from clankvox.ids import Attempt
from clankvox.messages.connection import UdpLost
from clankvox.ports import DatagramSink
from clankvox.shells.loss_reason import udp_reason
from clankvox.shells.udp_link import UdpLink, UdpStatistics, nothing

_BUFFER_BYTES: Final = 4 * 1024 * 1024
"""The usual 208 KiB hold less than one large keyframe; the kernel may grant less than this."""


class UdpSocket:
    """Implements UdpPort. `on_lost` is told at most once an attempt, from the thread that noticed; must not block."""

    def __init__(
        self, clock: Clock, on_lost: Callable[[UdpLost], None], on_batch: Callable[[], None] = nothing
    ) -> None:
        """`on_batch` comes on the receive thread whenever it has read all that was there; it must not block either."""
        self._clock = clock
        self._on_lost = on_lost
        self._on_batch = on_batch
        self._lock = threading.Lock()
        self._link: UdpLink | None = None
        self._past = UdpStatistics(0, 0, 0, 0)

    def open(self, attempt: Attempt, ip: str, port: int, sink: DatagramSink) -> None:
        """Connect to `ip` (a literal: nothing is looked up) and start to read; see UdpPort. Failure is an UdpLost."""
        self.close()
        try:
            connected = _connect(ip, port)
        except (OSError, ValueError, OverflowError) as error:
            self._on_lost(UdpLost(attempt=attempt, reason=udp_reason(error)))
            return
        link = UdpLink(attempt, connected, sink, self._clock, self._on_lost, self._on_batch)
        with self._lock:
            self._link = link
        link.start()

    def send(self, datagram: bytes) -> None:
        """Send without blocking; a full socket buffer drops the datagram and counts it. Any thread.

        Raises TransportLost if the socket is not open or refuses for another reason.
        """
        link = self._link
        if link is None:
            raise TransportLost("the UDP socket is not open")
        link.send(datagram)

    def wake(self) -> None:
        """Make the receive thread poll its sink now. Any thread."""
        if (link := self._link) is not None:
            link.wake()

    def close(self) -> None:
        """Stop the thread, which closes the socket; idempotent. A `feed` that is running now is let finish."""
        with self._lock:
            link, self._link = self._link, None
            if link is not None:
                self._past = self._past_and(link)
        if link is not None:
            link.close()

    def statistics(self) -> UdpStatistics:
        """Snapshot of the counters. Any thread."""
        with self._lock:
            return self._past if self._link is None else self._past_and(self._link)

    def _past_and(self, link: UdpLink) -> UdpStatistics:
        return UdpStatistics(*map(sum, zip(self._past, link.statistics(), strict=True)))


def _connect(ip: str, port: int) -> socket.socket:
    version = ipaddress.ip_address(ip).version
    connected = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        connected.setblocking(False)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            with suppress(OSError):  # macOS refuses what Linux cuts to its limit
                connected.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
        connected.connect((ip, port))
    except BaseException:
        connected.close()
        raise
    return connected
