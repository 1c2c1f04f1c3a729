"""The way of FFmpeg and yt-dlp into the network: an HTTP proxy on loopback that connects to public hosts only.

FFmpeg's protocol whitelist keeps `file:` and its kin away from what a URL names, but not hosts. Every request of a
source, those of redirects and of playlists included, is made through this proxy, which resolves the name, checks each
address and connects to the very address that it checked: no second lookup can give another answer.

Each source has a *session* with a random credential of its own, so that no other program on this machine can use the
proxy, and so that ending a session cuts all connections of that source: FFmpeg, which nothing else can interrupt,
comes back from a blocking read at once.
"""

import contextlib
import ctypes
import secrets
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from clankvox.media.host_policy import is_public
from clankvox.shells.proxy_connection import PassageRefused, ProxyConnection

_AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]

_CONNECT_S: Final = 5.0
_TRIES: Final = 4
"""Addresses of one name that are tried, in the resolver's order."""
_READ_AHEAD_BYTES: Final = 65_536
"""What the kernel may hold of a response beyond what FFmpeg took: a few seconds of music."""
_MOST_CONNECTIONS: Final = 64
_RATION_BYTES: Final = 64 * 1024 * 1024
"""What servers may send until media was found, and from one packet to the next: FFmpeg keeps what it looks through, a
playlist without an end as well. A cover and the index of a track of ten hours fit in several times."""
_RATION_REQUESTS: Final = 256
"""The same for requests: a playlist that names itself makes hundreds a second."""
_SPENT: Final = "the server sends too much that is no media"
_ACCEPT_PAUSE_S: Final = 0.1
"""After a connection that could not be taken: no file descriptor is free."""


class ProxySession:
    """The connections of one source. Any thread."""

    def __init__(self, address: str, allow_private_hosts: bool, forget: Callable[[str], None]) -> None:
        self._credential = f"{secrets.token_urlsafe(9)}:{secrets.token_urlsafe(24)}"
        self._address = address
        self._allow_private_hosts = allow_private_hosts
        self._forget = forget
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._closed = False
        self._trouble: str | None = None
        self._cut: set[str] = set()
        self._rationed = True
        self._received_bytes = 0
        self._requests = 0

    def __repr__(self) -> str:
        return "ProxySession(...)"

    @property
    def credential(self) -> str:
        """`user:password`, a secret."""
        return self._credential

    @property
    def url(self) -> str:
        """What FFmpeg's `http_proxy` and yt-dlp want, with the credential: a secret."""
        return f"http://{self._credential}@{self._address}"

    @property
    def trouble(self) -> str | None:
        """Why a host could not be reached, in words that name none; None if every one was."""
        return self._trouble

    @property
    def closed(self) -> bool:
        """Whether its connections were cut."""
        return self._closed

    @property
    def whole(self) -> bool:
        """Whether no response ended before its time without being taken up again; what is within TLS is not seen."""
        return not self._cut

    def lift_ration(self) -> None:
        """Let servers send as much as there is: media was found, and to seek in it may mean to read it."""
        self._rationed = False

    def renew_ration(self) -> None:
        """Begin to count anew: a packet came."""
        with self._lock:
            self._rationed = True
            self._received_bytes = self._requests = 0

    def close(self) -> None:
        """Cut every connection; those that come after find no session. Idempotent, never blocks."""
        self._forget(self._credential)
        with self._lock:
            self._closed = True
            ending, self._sockets = self._sockets, set()
        for each in ending:
            _shut(each)

    # --- for the proxy's connections ---

    def admit(self, client: socket.socket) -> None:
        """See Passage."""
        with self._lock:
            self._sockets = {each for each in self._sockets if each.fileno() >= 0}
            if self._closed or len(self._sockets) >= _MOST_CONNECTIONS:
                raise PassageRefused
            self._sockets.add(client)

    def note_received(self, received_bytes: int) -> None:
        """See Passage."""
        with self._lock:
            self._received_bytes += received_bytes
        self._check_ration()

    def note_cut(self, target: str) -> None:
        """See Passage."""
        with self._lock:
            self._cut.add(target)

    def note_resumed(self, target: str) -> None:
        """See Passage."""
        with self._lock:
            self._cut.discard(target)

    def connect(self, host: str, port: int) -> socket.socket:
        """See Passage. Blocks for the name's lookup and for up to 5 s an address."""
        with self._lock:
            self._requests += 1
        self._check_ration()
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:  # a label that is empty or too long is no OSError
            self._trouble = "the host's name is not known"
            raise PassageRefused from error
        allowed = [entry for entry in found if self._allow_private_hosts or is_public(str(entry[4][0]))]
        if not allowed:
            self._trouble = "the host is not a public one, and private ones need --allow-private-hosts"
            raise PassageRefused
        return self._connect_to(allowed[:_TRIES])

    def _check_ration(self) -> None:
        spent = self._received_bytes > _RATION_BYTES or self._requests > _RATION_REQUESTS
        if self._rationed and spent:
            self._trouble = _SPENT
            self.close()
            raise PassageRefused

    def _connect_to(self, addresses: Sequence[_AddressInfo]) -> socket.socket:
        failure = OSError()
        for family, kind, protocol, _, address in addresses:
            upstream = socket.socket(family, kind, protocol)
            upstream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _READ_AHEAD_BYTES)
            upstream.settimeout(_CONNECT_S)
            try:
                upstream.connect(address)
                upstream.settimeout(None)
                self.admit(upstream)
            except OSError as error:
                upstream.close()
                failure = error
            else:
                return upstream
        self._trouble = "the host cannot be reached"
        raise failure


class FilterProxy:
    """The listener. `open_session` is for any thread; `close` ends everything."""

    def __init__(self, allow_private_hosts: bool = False) -> None:
        self._allow_private_hosts = allow_private_hosts
        self._lock = threading.Lock()
        self._sessions: dict[str, ProxySession] = {}
        self._listener: socket.socket | None = None
        self._closed = threading.Event()

    def open_session(self) -> ProxySession:
        """Return a session with a new credential; the first call starts the listener. OSError if it cannot."""
        with self._lock:
            if self._closed.is_set():
                raise PassageRefused
            if self._listener is None:
                self._listener = self._listen()
            host, port = self._listener.getsockname()
            session = ProxySession(f"{host}:{port}", self._allow_private_hosts, self._forget)
            self._sessions[session.credential] = session
            return session

    def close(self) -> None:
        """End the listener and every session. Idempotent, never blocks."""
        with self._lock:
            self._closed.set()
            listener, self._listener = self._listener, None
            sessions = list(self._sessions.values())
        if listener is not None:
            _shut(listener)
        for session in sessions:
            session.close()

    def _listen(self) -> socket.socket:
        forget_exceptions()
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _READ_AHEAD_BYTES)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        threading.Thread(target=self._accept, args=(listener,), name="source-proxy", daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with listener:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    if self._closed.wait(_ACCEPT_PAUSE_S):
                        return
                    continue
                connection = ProxyConnection(client, self._find)
                try:
                    threading.Thread(target=connection.serve, name="source-proxy-connection", daemon=True).start()
                except RuntimeError:  # the system has no thread for it now; this one has to go on
                    client.close()

    def _find(self, credential: str) -> ProxySession | None:
        with self._lock:
            return self._sessions.get(credential)

    def _forget(self, credential: str) -> None:
        with self._lock:
            self._sessions.pop(credential, None)


def forget_exceptions() -> None:
    """Remove `no_proxy` from the environment of C code: FFmpeg would go past the proxy for the hosts that it names.

    Python's own view, os.environ, stays as it was for the gateway's WebSocket and for children.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).unsetenv(b"no_proxy")


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
