"""One attempt's WebSocket connection: a thread that opens and reads it, and one that watches and writes it."""

import logging
import queue
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from websockets.exceptions import ConnectionClosed
from websockets.protocol import State
from websockets.sync.client import ClientConnection, reconnect

from clankvox.ids import Attempt
from clankvox.messages.connection import SocketBinary, SocketLost, SocketOpened, SocketText
from clankvox.shells.loss_reason import closing_reason, opening_reason
from clankvox.shells.tls_socket import TlsSocket

SocketNews = SocketOpened | SocketText | SocketBinary | SocketLost

_log = logging.getLogger("clankvox.websocket")
# The library logs frames and URLs at DEBUG, which no setting of ours may turn on, and at ERROR that a cut surprised it.
_protocol_log = logging.getLogger("clankvox.websocket.protocol")
_protocol_log.setLevel(logging.CRITICAL)

_MESSAGE_LIMIT_BYTES: Final = 4 * 1024 * 1024
_QUEUE_FRAMES: Final = 256
"""Frames that wait for the socket; a gateway sends a few a second, so more means that the connection is stuck."""
_CLOSE_S: Final = 0.250
_CLOSING_CHECK_S: Final = 0.5
"""The library waits for the server to end TCP after a close frame, without a limit; a limit of ours ends that."""
_USER_AGENT: Final = "clankvox"


class _DirectConnect(reconnect):
    """Follows no redirect: the voice server was named by the main gateway, and nobody else may name another."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class WebSocketLink:
    """A connection from its first packet to its last. `start` it once; the other methods are for any thread.

    `on_news` is called under the link's lock, which is what makes `close` and `abandon` final.
    """

    def __init__(
        self,
        attempt: Attempt,
        url: str,
        timeout_s: float,
        tls: Callable[[], ssl.SSLContext],
        on_news: Callable[[SocketNews], None],
    ) -> None:
        self._attempt = attempt
        self._url = url
        self._timeout_s = timeout_s
        self._tls = tls
        self._on_news = on_news
        self._lock = threading.RLock()  # a listener may close the link from inside its callback
        self._live = True
        self._connection: ClientConnection | None = None
        self._opened = threading.Event()
        self._ended = threading.Event()
        self._outgoing: queue.SimpleQueue[str | bytes | int | None] = queue.SimpleQueue()

    def start(self) -> None:
        """Begin to open; news follow."""
        for target, name in ((self._read, "ws-read"), (self._write, "ws-write")):
            threading.Thread(target=target, name=f"{name}-{self._attempt}", daemon=True).start()

    def send(self, frame: str | bytes) -> None:
        """Queue `frame`; a full queue ends the connection."""
        if not self._live:
            return
        if self._outgoing.qsize() >= _QUEUE_FRAMES:
            self._lose(None, "send queue full")
        else:
            self._outgoing.put(frame)

    def close(self, code: int) -> None:
        """Tell nothing more; close politely in the background, for at most 250 ms."""
        with self._lock:
            if not self._live:
                return
            self._live = False
            connection = self._connection
        if connection is None:
            self._cut()
            return
        self._outgoing.put(code)
        threading.Thread(target=self._cut_late, name=f"ws-close-{self._attempt}", daemon=True).start()

    def abandon(self) -> None:
        """Tell nothing more; cut the connection without a close frame."""
        with self._lock:
            self._live = False
        self._cut()

    def wait_ended(self, timeout_s: float) -> None:
        """Wait until nothing more is read or written, for at most `timeout_s`."""
        self._ended.wait(timeout_s)

    def _tell(self, news: SocketNews) -> None:
        with self._lock:
            if self._live:
                self._live = not isinstance(news, SocketLost)
                try:
                    self._on_news(news)
                except Exception:  # noqa: BLE001 - logged; without its listener the connection is of no use
                    _log.exception("socket listener failed", extra={"fields": {"attempt": self._attempt}})
                    self._live = False
                    self._cut()

    def _lose(self, close_code: int | None, reason: str) -> None:
        self._tell(SocketLost(attempt=self._attempt, close_code=close_code, reason=reason))
        self._cut()

    def _read(self) -> None:
        try:
            connection = self._connect()
            with connection:
                self._receive(connection)
        except ConnectionClosed as error:
            self._lose(None if error.rcvd is None else error.rcvd.code, closing_reason(error))
        except Exception as error:  # noqa: BLE001 - told as SocketLost
            self._lose(None, opening_reason(error))
        finally:
            self._ended.set()
            self._cut()

    def _connect(self) -> ClientConnection:
        context = self._tls() if self._url.startswith("wss:") else None
        if context is not None:
            context.sslsocket_class = TlsSocket
        return _DirectConnect(
            self._url,
            ssl=context,
            compression=None,
            user_agent_header=_USER_AGENT,
            proxy=None,
            open_timeout=self._timeout_s,
            # The gateway's own heartbeat supervises the connection; Discord's server does not promise pongs.
            ping_interval=None,
            close_timeout=_CLOSE_S,
            max_size=_MESSAGE_LIMIT_BYTES,
            logger=_protocol_log,
        ).connect()

    def _receive(self, connection: ClientConnection) -> None:
        """Tell all messages until the connection ends, which raises ConnectionClosed.

        After `close` it goes on and `_tell` discards: an unread message would hold up the closing handshake.
        """
        with self._lock:
            wanted = self._live
            self._connection = connection
            self._tell(SocketOpened(attempt=self._attempt))
        self._opened.set()
        if not wanted:
            self._cut()
        while True:
            try:
                message = connection.recv(timeout=_CLOSING_CHECK_S)
            except TimeoutError:
                if connection.state is not State.OPEN:  # a side has said that it closes, and TCP stays open
                    self._cut()
                continue
            if isinstance(message, str):
                self._tell(SocketText(attempt=self._attempt, text=message))
            else:
                self._tell(SocketBinary(attempt=self._attempt, data=bytes(message)))

    def _write(self) -> None:
        """Watch the deadline of the opening (a name look-up cannot be timed out otherwise), then send the queue."""
        if not self._opened.wait(self._timeout_s):
            self._lose(None, "timed out")
            return
        connection = self._connection
        if connection is None:
            return
        with suppress(Exception):  # whatever ends the writing ends the reading too, and the reader tells why
            while (item := self._outgoing.get()) is not None:
                if isinstance(item, int):
                    connection.close(item)
                    return
                connection.send(item)

    def _cut_late(self) -> None:
        self._ended.wait(_CLOSE_S)
        self._cut()

    def _cut(self) -> None:
        """End both threads at once, also one that is stuck in a send. Never blocks."""
        self._opened.set()
        self._outgoing.put(None)
        if (connection := self._connection) is not None:
            with suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)
