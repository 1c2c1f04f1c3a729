"""The UDP socket of the SFU. Arrival instants are the kernel's, so that a busy event loop does not blur them."""

import datetime as dt
import socket
import struct
import sys
from collections.abc import Callable
from typing import Final

from clankvox.clock import SystemClock
from clankvox.loopback.media_port import Address

_MAX_DATAGRAM_BYTES: Final = 2048
_MAX_DATAGRAMS_A_TURN: Final = 256
"""So that a flood cannot keep the event loop from the gateway."""
_BUFFER_BYTES: Final = 4 << 20
_SO_TIMESTAMPNS: Final = 35
"""Of <asm-generic/socket.h>; the socket module does not name it."""
_TIMESPEC: Final = struct.Struct("@ll")


class MediaSocket:
    """A non-blocking UDP socket. The event loop owns it."""

    def __init__(self, host: str, port: int) -> None:
        """Bind to `host` and `port` (0: any); OSError if that is not possible."""
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        self.unsent = 0
        """Datagrams that the system would not take: its buffer was full."""
        self._clock = SystemClock()
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
            self._stamped = sys.platform == "linux"
            if self._stamped:
                self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            self._socket.bind(address)
        except OSError:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]

    def fileno(self) -> int:
        """File descriptor, for the event loop."""
        return self._socket.fileno()

    def drain(self, receive: Callable[[bytes, Address, float], None]) -> None:
        """Hand over what is there, oldest first, with the instant of arrival (monotonic seconds)."""
        # the kernel stamps with wall time; the difference of the clocks is taken anew each turn
        offset_s = self._clock.now() - _wall_s() if self._stamped else 0.0
        for _ in range(_MAX_DATAGRAMS_A_TURN):
            try:
                if self._stamped:
                    datagram, ancillary, _, address = self._socket.recvmsg(_MAX_DATAGRAM_BYTES, 64)
                    arrival_s = _stamp(ancillary) + offset_s if ancillary else self._clock.now()
                else:
                    datagram, address = self._socket.recvfrom(_MAX_DATAGRAM_BYTES)
                    arrival_s = self._clock.now()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:
                continue  # a client that is gone answered by ICMP; that is no error of ours
            receive(datagram, address[:2], arrival_s)

    def send(self, datagram: bytes, address: Address) -> None:
        """Send now or not at all: late audio is worse than lost audio."""
        try:
            self._socket.sendto(datagram, address)
        except OSError:
            self.unsent += 1

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _wall_s() -> float:
    return dt.datetime.now(dt.UTC).timestamp()


def _stamp(ancillary: list[tuple[int, int, bytes]]) -> float:
    seconds, nanoseconds = _TIMESPEC.unpack_from(ancillary[0][2])
    return float(seconds + nanoseconds / 1e9)
