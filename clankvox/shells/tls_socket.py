"""A TLS socket that one thread may read while another writes.

OpenSSL allows no two calls on one connection at a time (OpenSSL issue 20446). CPython's ssl either does not keep
them apart, or does so by a lock that a blocked read holds (CPython issue 137583), and the threaded client of
websockets reads and writes from two threads. It shows at once: a TLS 1.3 server's session tickets make the socket
readable, the reading thread enters SSL_read, and the upgrade request that the other thread writes meanwhile never
arrives (with CPython 3.11 about one connection in fifty on a busy machine).
"""

import errno
import selectors
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

T = TypeVar("T")

# Not epoll or kqueue: closing a descriptor silently removes it from their sets, and who waits there waits for good.
_Selector = selectors.SelectSelector if sys.platform == "win32" else selectors.PollSelector
_SLICE_S: Final = 1.0
"""A wait is repeated this often, should the number of a closed descriptor have been given to another file meanwhile."""


class TlsSocket(ssl.SSLSocket):
    """Made by a context whose `sslsocket_class` this is; `recv`, `send` and `sendall` block, but never under the lock.

    From the handshake on the file descriptor itself never blocks: each call into OpenSSL is short and under the
    lock, and waiting for the peer happens outside of it.
    """

    # ssl makes instances without calling __init__; do_handshake, which runs before any other use, sets these.
    _guard: threading.Lock
    _patience_s: float | None
    _ready = False

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands within the socket's time-out, then begin to guard the connection."""
        super().do_handshake(block)
        self._guard = threading.Lock()
        self._patience_s = super().gettimeout()
        super().settimeout(0.0)
        self._ready = True

    def settimeout(self, value: float | None) -> None:
        """Limit each later call to `value` seconds (None: no limit)."""
        if self._ready:
            self._patience_s = value
        else:
            super().settimeout(value)

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Return up to `buflen` bytes, b"" at the end; raises TimeoutError and OSError."""
        return self._guarded(lambda: ssl.SSLSocket.recv(self, buflen, flags))

    def send(self, data: Any, flags: int = 0) -> int:
        """Write some of `data` and return how much; raises TimeoutError and OSError. `sendall` is built on it."""
        return self._guarded(lambda: ssl.SSLSocket.send(self, data, flags))

    def shutdown(self, how: int) -> None:
        """Shut TCP down and leave TLS alone, so that no later call can read or write past it in clear. Never blocks."""
        socket.socket.shutdown(self, how)

    def close(self) -> None:
        """Close; a thread that waits in `recv` or `send` comes back."""
        with suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)
        if not self._ready:
            super().close()
            return
        with self._guard:
            super().close()

    def _guarded(self, call: Callable[[], T]) -> T:
        if not self._ready:
            return call()
        remaining_s = self._patience_s
        while True:
            with self._guard:
                try:
                    return call()
                except ssl.SSLWantReadError:
                    wanted = selectors.EVENT_READ
                except ssl.SSLWantWriteError:
                    wanted = selectors.EVENT_WRITE
            slice_s = _SLICE_S if remaining_s is None else min(remaining_s, _SLICE_S)
            if not self._wait(wanted, slice_s) and remaining_s is not None:
                remaining_s -= slice_s
                if remaining_s <= 0.0:
                    raise TimeoutError("timed out")

    def _wait(self, wanted: int, limit_s: float) -> bool:
        with _Selector() as selector:
            try:
                selector.register(self, wanted)
            except ValueError as error:
                raise OSError(errno.EBADF, "closed") from error
            return bool(selector.select(limit_s))
