"""One connection to the filtering proxy: who asks, for which host, and then bytes both ways."""

import base64
import binascii
import select
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, Protocol
from urllib.parse import SplitResult, urlsplit

import h11

_HEAD_S: Final = 10.0
"""A client of ours says at once what it wants."""
_PIECE_BYTES: Final = 16_384
_HEAD_LIMIT_BYTES: Final = 65_536
_HOP_BY_HOP: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"te", b"trailer", b"upgrade")
)
"""Headers that are about one connection (RFC 9110 section 7.6.1) or meant for a proxy."""
_ICY: Final = b"ICY "
"""How a SHOUTcast server begins its status line, where HTTP/1.0 should stand."""


class Passage(Protocol):
    """What a connection needs of the session whose credential it showed."""

    def connect(self, host: str, port: int) -> socket.socket:
        """Return a connected socket; PassageRefused if the host is not to be reached, or OSError."""
        ...

    def admit(self, client: socket.socket) -> None:
        """Count `client` in, to be cut with the session; PassageRefused if that is over."""
        ...

    def note_received(self, received_bytes: int) -> None:
        """Count what a server sent; PassageRefused if it is too much."""
        ...

    def note_cut(self, target: str) -> None:
        """Remember that a server ended the response for `target` before its time."""
        ...

    def note_resumed(self, target: str) -> None:
        """Remember that the rest of the response for `target` was asked for."""
        ...


class PassageRefused(OSError):
    """The session ended, or its rules forbid the host."""


class _Gone(Exception):
    """The client left: nobody waits for an answer."""


class ProxyConnection:
    """Serves one request (HTTP/1.1 proxy: CONNECT, or any method with an absolute target) and closes. One thread."""

    def __init__(self, client: socket.socket, find: Callable[[str], Passage | None]) -> None:
        """`find` returns the session that a credential (user:password) belongs to."""
        self._client = client
        self._find = find
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_LIMIT_BYTES)

    def serve(self) -> None:
        """Do all of it; never raises."""
        with self._client, suppress(OSError, h11.ProtocolError, _Gone):
            self._client.settimeout(_HEAD_S)
            request = self._next_request()
            self._client.settimeout(None)
            passage = self._find(_credential(request))
            if passage is None:
                self._answer(407, [("Proxy-Authenticate", 'Basic realm="clankvox"')])
                return
            passage.admit(self._client)
            self._serve_request(request, passage)

    def _serve_request(self, request: h11.Request, passage: Passage) -> None:
        tunnel = request.method == b"CONNECT"
        try:
            target = urlsplit(("//" if tunnel else "") + request.target.decode("ascii"))
            host, port = _authority(target, tunnel)
        except ValueError:
            self._answer(400)
            return
        try:
            upstream = passage.connect(host, port)
        except OSError:
            self._answer(502)
            return
        with upstream:
            if tunnel:
                self._tunnel(upstream, passage)
            else:
                self._forward(request, target, upstream, passage)

    def _next_request(self) -> h11.Request:
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                return event
            if event is not h11.NEED_DATA:
                raise _Gone
            self._http.receive_data(self._client.recv(_PIECE_BYTES))

    def _answer(self, status: int, headers: list[tuple[str, str]] | None = None) -> None:
        """Send a response of our own and no body."""
        fields = [*(headers or []), ("Content-Length", "0"), ("Connection", "close")]
        self._say(h11.Response(status_code=status, headers=fields))
        self._say(h11.EndOfMessage())

    def _say(self, event: h11.Event) -> None:
        self._client.sendall(self._http.send(event) or b"")

    # --- CONNECT: bytes both ways ---

    def _tunnel(self, upstream: socket.socket, passage: Passage) -> None:
        self._client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        early, _ = self._http.trailing_data
        if early:
            upstream.sendall(early)
        while True:
            for readable in _readable(self._client, upstream):
                piece = readable.recv(_PIECE_BYTES)
                if not piece:
                    return
                if readable is upstream:
                    passage.note_received(len(piece))
                (upstream if readable is self._client else self._client).sendall(piece)

    # --- everything else: one request, one response ---

    def _forward(self, request: h11.Request, target: SplitResult, upstream: socket.socket, passage: Passage) -> None:
        server = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_LIMIT_BYTES)
        path = (target.path or "/") + (f"?{target.query}" if target.query else "")
        headers = [*_end_to_end(request.headers), (b"Connection", b"close")]
        if any(name == b"range" and not value.startswith(b"bytes=0-") for name, value in headers):
            passage.note_resumed(target.geturl())
        upstream.sendall(server.send(h11.Request(method=request.method, target=path, headers=headers)) or b"")
        self._forward_body(server, upstream)
        try:
            self._forward_response(server, upstream, passage)
        except h11.RemoteProtocolError:
            passage.note_cut(target.geturl())
            raise

    def _forward_body(self, server: h11.Connection, upstream: socket.socket) -> None:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(self._client.recv(_PIECE_BYTES))
            elif isinstance(event, h11.Data | h11.EndOfMessage):
                piece = server.send(event)
                if piece:  # sending nothing fails as well if the server has answered and gone
                    upstream.sendall(piece)
                if isinstance(event, h11.EndOfMessage):
                    return
            else:
                raise _Gone

    def _forward_response(self, server: h11.Connection, upstream: socket.socket, passage: Passage) -> None:
        first = True
        while True:
            event = server.next_event()
            if event is h11.NEED_DATA:
                piece = self._receive(upstream)
                passage.note_received(len(piece))
                if first and piece.startswith(_ICY):
                    piece = b"HTTP/1.0 " + piece[len(_ICY) :]
                first = False
                server.receive_data(piece)
            elif isinstance(event, h11.Response):
                headers = [*_end_to_end(event.headers), (b"Connection", b"close")]
                self._say(h11.Response(status_code=event.status_code, headers=headers, reason=event.reason))
            elif isinstance(event, h11.Data):
                self._say(h11.Data(data=event.data))
            elif isinstance(event, h11.EndOfMessage):
                self._say(h11.EndOfMessage())
                return

    def _receive(self, upstream: socket.socket) -> bytes:
        """Wait for the server, and notice meanwhile if the client goes."""
        while True:
            ready = _readable(self._client, upstream)
            if upstream in ready:
                try:
                    return upstream.recv(_PIECE_BYTES)
                except ConnectionError:
                    return b""  # a reset ends the response as an early end does
            if not self._client.recv(1, socket.MSG_PEEK):
                raise _Gone
            raise h11.RemoteProtocolError("a second request in the middle of a response")


def _readable(client: socket.socket, upstream: socket.socket) -> list[socket.socket]:
    poll = select.poll()
    sockets = {end.fileno(): end for end in (client, upstream)}
    for number in sockets:
        poll.register(number, select.POLLIN)
    return [sockets[number] for number, _ in poll.poll()]


def _credential(request: h11.Request) -> str:
    """User and password of RFC 7617's Basic scheme, or an empty string."""
    for name, value in request.headers:
        scheme, _, encoded = value.partition(b" ")
        if name == b"proxy-authorization" and scheme.lower() == b"basic":
            with suppress(binascii.Error, UnicodeDecodeError):
                return base64.b64decode(encoded.strip(), validate=True).decode("ascii")
    return ""


def _authority(target: SplitResult, tunnel: bool) -> tuple[str, int]:
    """Host and port that a request names; ValueError if it is not one for us."""
    if not tunnel and target.scheme != "http":
        raise ValueError("a target that is not absolute")
    port = target.port or (443 if tunnel else 80)
    if not target.hostname:
        raise ValueError("no host")
    return target.hostname, port


def _end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name not in _HOP_BY_HOP]
