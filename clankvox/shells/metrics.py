"""The metrics endpoint: one thread that answers one scrape at a time, over plain HTTP on a loopback address.

On loopback it answers only who asks for loopback by name: a page in a browser of this machine whose own name was bound
anew to 127.0.0.1 (DNS rebinding) would ask for that name, and could read the numbers.
"""

import contextlib
import logging
import re
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from socket import AF_INET6, SHUT_RDWR
from typing import Any, Final

_log = logging.getLogger("clankvox.metrics")

PATH: Final = "/metrics"
REQUEST_TIMEOUT_S: Final = 2.0
"""Whoever sends nothing, or takes nothing, for so long is cut off: the next scraper waits behind him."""
EXCHANGE_S: Final = 5.0
"""And whoever has not got his page by then, however steadily he sends a byte now and then."""
IDLE_S: Final = 1.0
"""How often the thread looks whether it shall end."""

_LOOPBACK: Final = re.compile(r"localhost\.?|\[?::1\]?|127(?:\.\d{1,3}){3}", re.IGNORECASE)
"""As an address or in a Host header (RFC 9110 section 7.2), there without the port, which a tunnel may have changed."""
_PORT: Final = re.compile(r":\d*$")

Render = Callable[[str], tuple[str, bytes]]
"""From an Accept header to content type and body. The metrics thread."""


class MetricsServer:
    """Serves GET /metrics until it is stopped. That it cannot is logged and harms no call."""

    def __init__(self, address: tuple[str, int], render: Render) -> None:
        """`address` is host and port; port 0 is any that is free."""
        self._address = address
        self._render = render
        self._stopped = threading.Event()

    def start(self) -> int | None:
        """Listen, and return the port; None if the address cannot be had. Main thread."""
        try:
            server = _Server(self._address, self._render)
        except OSError as error:
            _log.error(
                "metrics are not served", extra={"fields": {"cause": type(error).__name__, "errno": error.errno}}
            )
            return None
        port = server.server_port
        threading.Thread(target=self._run, args=(server,), name="metrics", daemon=True).start()
        _log.info("metrics are served", extra={"fields": {"host": self._address[0], "port": port}})
        return port

    def stop(self) -> None:
        """Let the thread end by itself within IDLE_S; never waits. Main thread."""
        self._stopped.set()

    def _run(self, server: "_Server") -> None:
        with server:
            while not self._stopped.is_set():
                server.handle_request()


class _Server(HTTPServer):
    timeout = IDLE_S

    def __init__(self, address: tuple[str, int], render: Render) -> None:
        if ":" in address[0]:
            self.address_family = AF_INET6
        self.render = render
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without the look-up of the host's name that http.server makes: it may take seconds."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "clankvox", int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Log in our own way: http.server prints to stderr, addresses included."""
        _log.debug("scrape failed", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_TIMEOUT_S
    server_version = "clankvox"
    sys_version = ""

    def setup(self) -> None:
        """Begin an exchange that has an end."""
        super().setup()
        self._end = threading.Timer(EXCHANGE_S, self._cut_off)
        self._end.daemon = True
        self._end.start()

    def finish(self) -> None:
        """See StreamRequestHandler."""
        self._end.cancel()
        super().finish()

    def do_GET(self) -> None:
        """Answer a scrape."""
        if not self._is_meant():
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return
        if self.path.partition("?")[0] != PATH:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        try:
            content_type, body = self.server.render(self.headers.get("Accept", ""))
        except Exception:  # noqa: BLE001 - a page that cannot be made must not end the thread
            _log.exception("metrics could not be rendered")
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _cut_off(self) -> None:
        with contextlib.suppress(OSError):  # it may have ended just now
            self.connection.shutdown(SHUT_RDWR)

    def _is_meant(self) -> bool:
        """Whether who asks knows whom: who says no host (HTTP/1.0) is no browser."""
        if not _LOOPBACK.fullmatch(str(self.server.server_address[0])):
            return True
        hosts = [_PORT.sub("", host.strip()) for host in self.headers.get_all("Host", [])]
        return all(_LOOPBACK.fullmatch(host) for host in hosts)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's names
        """Log no requests."""
