"""One role's voice gateway socket: what the actors see of it. The connection itself is in websocket_link."""

import ssl
import threading
from collections.abc import Callable

from clankvox.ids import Attempt
from clankvox.shells.websocket_link import SocketNews, WebSocketLink


class VoiceWebSocket:
    """Implements WebSocketPort.

    `tls` makes the context of a wss:// connection, on the connecting thread; the default verifies with the system's
    trust store and honours SSL_CERT_FILE. `on_news` runs on threads of the shell, one call at a time for each
    attempt, and must not block. Nothing of an attempt is told any more once `close` or a newer `connect` returned.
    """

    def __init__(
        self, on_news: Callable[[SocketNews], None], tls: Callable[[], ssl.SSLContext] = ssl.create_default_context
    ) -> None:
        self._on_news = on_news
        self._tls = tls
        self._lock = threading.Lock()
        self._link: WebSocketLink | None = None
        self._closing: WebSocketLink | None = None

    def connect(self, attempt: Attempt, url: str, timeout_s: float) -> None:
        """Open `url` within `timeout_s` for name, TCP, TLS and upgrade together; see WebSocketPort.

        An older socket is cut without a close frame: a close frame of ours would end a session that the newer
        attempt may be about to resume.
        """
        link = WebSocketLink(attempt, url, timeout_s, self._tls, self._on_news)
        with self._lock:
            older, self._link = self._link, link
        if older is not None:
            older.abandon()
        link.start()

    def send(self, frame: str | bytes) -> None:
        """Queue a text or binary message; dropped when there is no connection (its loss is told already)."""
        if (link := self._link) is not None:
            link.send(frame)

    def close(self, code: int) -> None:
        """Send what is queued, then a close frame with `code`; cut after 250 ms. In the background; idempotent."""
        with self._lock:
            link, self._link = self._link, None
            self._closing = link or self._closing
        if link is not None:
            link.close(code)

    def wait_closed(self, timeout_s: float) -> None:
        """Give the last close frame up to `timeout_s` to leave. Not for actors: the end of the process waits here."""
        if (closing := self._closing) is not None:
            closing.wait_ended(timeout_s)
