"""A real HTTP server that serves media as badly as the network does: cuts, stalls, refusals, redirects, no ranges."""

import re
import select
import ssl
import threading
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple, Self

DEADLINE_S = 30.0
PIECE_BYTES = 4096


class Step(NamedTuple):
    """How one request of a path is answered."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    cut_after: int | None = None
    """Close the connection once so many bytes of the body are out."""
    stall_after: int | None = None
    """Send no more once so many bytes of the body are out (-1: not even a status line), until the server closes."""


class Route(NamedTuple):
    body: bytes | Iterable[bytes]
    content_type: str
    ranges: bool
    chunked: bool
    steps: list[Step]
    """One for each request of the path; the last one stays."""


class Hit(NamedTuple):
    path: str
    range_header: str | None
    user_agent: str | None


class MediaServer:
    """Listens on loopback until `close`. `hits` tells what was asked for."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._routes: dict[str, Route] = {}
        self.hits: list[Hit] = []
        self.released = threading.Event()
        """Stalled responses wait for it."""
        self.stalled = threading.Semaphore(0)
        """Released once for every response that begins to stall."""
        self._http = _Server(("127.0.0.1", 0), self)
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        self._scheme = "http" if tls is None else "https"
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), name="media-server", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{self._scheme}://{host}:{self.port}{path}"

    def add(
        self,
        path: str,
        body: bytes | Iterable[bytes] = b"",
        content_type: str = "application/octet-stream",
        *steps: Step,
        ranges: bool = True,
        chunked: bool = False,
    ) -> str:
        """Serve `body` at `path`; returns its URL. An iterable body is made anew for each request if it can be."""
        self._routes[path] = Route(body, content_type, ranges and not chunked, chunked, list(steps) or [Step()])
        return self.url(path)

    def redirect(self, path: str, location: str) -> str:
        return self.add(path, b"", "text/plain", Step(302, (("Location", location),)))

    def close(self) -> None:
        self.released.set()
        self._http.shutdown()
        self._thread.join(DEADLINE_S)
        self._http.server_close()

    def next_step(self, path: str) -> tuple[Route, Step] | None:
        route = self._routes.get(path)
        if route is None:
            return None
        return route, route.steps.pop(0) if len(route.steps) > 1 else route.steps[0]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], owner: MediaServer) -> None:
        super().__init__(address, _Handler)
        self.owner = owner

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are the point of this server."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_args: object) -> None:
        """Stay quiet."""

    def do_GET(self) -> None:
        owner = self.server.owner
        path = self.path.partition("?")[0]
        owner.hits.append(Hit(self.path, self.headers["Range"], self.headers["User-Agent"]))
        found = owner.next_step(path)
        if found is None:
            self.send_error(404)
            return
        route, step = found
        self.close_connection = True
        if step.stall_after == -1:
            self._stall()
            return
        body = route.body
        if isinstance(body, bytes) and not route.chunked:
            self._send_sized(route, step, body)
        else:
            self._send_chunked(route, step, [body] if isinstance(body, bytes) else iter(body))

    def _send_sized(self, route: Route, step: Step, body: bytes) -> None:
        begin, end = 0, len(body)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers["Range"] or "") if route.ranges else None
        if asked and step.status == 200:
            begin = int(asked[1])
            end = min(end, int(asked[2]) + 1) if asked[2] else end
            if begin >= len(body):
                self.send_error(416)
                return
        self.send_response(206 if asked and step.status == 200 else step.status)
        if asked and step.status == 200:
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(body)}")
        if route.ranges:
            self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(end - begin))
        self._end_head(route, step)
        self._send_pieces(step, [body[begin:end]], lambda piece: piece)

    def _send_chunked(self, route: Route, step: Step, body: Iterable[bytes]) -> None:
        self.send_response(step.status)
        self.send_header("Transfer-Encoding", "chunked")
        self._end_head(route, step)
        if self._send_pieces(step, body, lambda piece: b"%x\r\n%b\r\n" % (len(piece), piece)):
            self.wfile.write(b"0\r\n\r\n")

    def _end_head(self, route: Route, step: Step) -> None:
        self.send_header("Content-Type", route.content_type)
        for name, value in step.headers:
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()

    def _send_pieces(self, step: Step, body: Iterable[bytes], dress) -> bool:
        """Send until the end (True), or until the step says cut or stall."""
        sent = 0
        limit = step.stall_after if step.stall_after is not None else step.cut_after
        for piece in _pieces(body):
            if limit is not None and sent + len(piece) >= limit:
                self.wfile.write(dress(piece[: limit - sent]) if limit > sent else b"")
                self.wfile.flush()
                if step.stall_after is not None:
                    self._stall()
                return False
            self.wfile.write(dress(piece))
            sent += len(piece)
        return True

    def _stall(self) -> None:
        """Until the server closes, or the client hangs up."""
        owner = self.server.owner
        owner.stalled.release()
        while not owner.released.is_set():
            if select.select([self.connection], [], [], 0.05)[0] and not self.connection.recv(4096):
                return


def _pieces(body: Iterable[bytes]) -> Iterator[bytes]:
    for part in body:
        for begin in range(0, len(part), PIECE_BYTES):
            yield part[begin : begin + PIECE_BYTES]
