"""One attempt's UDP link: a connected socket and the thread on which the role's whole receive path runs."""

import errno
import logging
import select
import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple, TypeAlias

from clankvox.clock import Clock
from clankvox.errors import TransportLost
from clankvox.ids import Attempt
from clankvox.messages.connection import UdpLost
from clankvox.ports import DatagramSink
from clankvox.shells.loss_reason import udp_reason

_log = logging.getLogger("clankvox.udp")

_RECEIVE_BYTES: Final = 2048
_BATCH: Final = 64
"""Datagrams read before time is looked at again, so that a flood cannot starve playout."""
_PORTION: Final = 8
"""Datagrams read before what they brought is passed on."""
_SHORTEST_WAIT_S: Final = 0.001
_LONGEST_WAIT_S: Final = 1.0
_POLL_AFTER_FAILURE_S: Final = 0.020
_PATIENCE_S: Final = 5.0
"""How long ICMP may call the server unreachable, with nothing received meanwhile, before the link counts as lost."""
_PATIENCE_REPORTS: Final = 3

# RFC 1122 section 4.1.3.3 passes ICMP errors up to the application; any of them may be a route that is just changing.
_UNREACHABLE: Final = frozenset({errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTUNREACH, errno.ENETUNREACH})
# The datagram's fault or a full buffer: the link itself is sound.
_DROPPED: Final = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS, errno.EMSGSIZE})


class UdpStatistics(NamedTuple):
    """Counters over all attempts."""

    received: int
    send_dropped: int
    """Datagrams that found the socket buffer full, or were larger than the link takes."""
    unreachable: int
    """ICMP reports that host or port is not there."""
    sink_failures: int
    """Exceptions that a sink let escape."""


_Readable: TypeAlias = Callable[[float], list[int]]
"""Waits for so many seconds at most; returns the file numbers of what can be read."""


def _readable_of(*sockets: socket.socket) -> _Readable:
    if hasattr(select, "poll"):  # a third of what a selector costs for every packet
        poll = select.poll()
        for each in sockets:
            poll.register(each, select.POLLIN)
        return lambda wait_s: [number for number, _ in poll.poll(wait_s * 1_000)]
    selector = selectors.SelectSelector()
    for each in sockets:
        selector.register(each, selectors.EVENT_READ)
    return lambda wait_s: [key.fd for key, _ in selector.select(wait_s)]


def nothing() -> None:
    """Do without news of batches."""


class UdpLink:
    """A connected, non-blocking socket and its receive thread; `start` it once, `close` it from any thread.

    `on_lost` is told at most once, from the thread that noticed, and must not block.
    """

    def __init__(
        self,
        attempt: Attempt,
        connected: socket.socket,
        sink: DatagramSink,
        clock: Clock,
        on_lost: Callable[[UdpLost], None],
        on_batch: Callable[[], None] = nothing,
    ) -> None:
        """`on_batch` comes on the receive thread behind every poll and, of many datagrams at once, every few."""
        self._attempt = attempt
        self._on_batch = on_batch
        self._socket = connected
        self._sink = sink
        self._clock = clock
        self._on_lost = on_lost
        # Also held during sendto, so that no number of a closed socket is ever written to.
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._unreachable_since: float | None = None
        self._unreachable_in_a_row = 0
        self._received = self._send_dropped = self._unreachable = self._sink_failures = 0
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._thread = threading.Thread(target=self._run, name=f"udp-{attempt}", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def statistics(self) -> UdpStatistics:
        """Snapshot of this attempt's counters. Any thread."""
        return UdpStatistics(self._received, self._send_dropped, self._unreachable, self._sink_failures)

    def wake(self) -> None:
        """Make the thread poll its sink now. Any thread."""
        with self._lock, suppress(OSError):  # full: it is awake already; closed: nobody sleeps there
            self._wake_writer.send(b"\0")

    def close(self) -> None:
        """Make the thread end and close the socket; nothing is sent afterwards. Idempotent."""
        self._ended.set()
        self.wake()

    def send(self, datagram: bytes) -> None:
        """Send, drop and count, or raise TransportLost; see UdpSocket.send. Any thread."""
        try:
            try:
                self._send_once(datagram)
            except OSError as error:
                # Linux reports the ICMP answer to an *earlier* datagram here and has not sent this one.
                if error.errno not in _UNREACHABLE or not self._survives_unreachable():
                    raise
                self._send_once(datagram)
        except OSError as error:
            if error.errno in _DROPPED:
                with self._lock:
                    self._send_dropped += 1
                return
            if error.errno not in _UNREACHABLE:
                self._lose(error)
            raise TransportLost(udp_reason(error)) from error

    def _send_once(self, datagram: bytes) -> None:
        with self._lock:
            if self._ended.is_set():
                raise TransportLost("the UDP socket is closed")
            self._socket.send(datagram)

    def _run(self) -> None:
        readable = _readable_of(self._socket, self._wake_reader)
        wire, wakes = self._socket.fileno(), self._wake_reader.fileno()
        try:
            while not self._ended.is_set():
                more = self._receive_batch(readable, wire)
                if self._ended.is_set():
                    break
                due = self._poll_sink()
                self._on_batch()
                wait_s = min(max(due - self._clock.now(), _SHORTEST_WAIT_S), _LONGEST_WAIT_S)
                if not more and wakes in readable(wait_s):
                    self._drain_wakes()
        finally:
            self._on_batch()
            with self._lock:
                self._ended.set()
                for each in (self._socket, self._wake_reader, self._wake_writer):
                    each.close()

    def _receive_batch(self, readable: _Readable, wire: int) -> bool:
        """Feed what is there, at most a batch; True if there may be more.

        To ask whether there is more is cheaper than the exception that says that there is none.
        """
        for number in range(1, _BATCH + 1):
            try:
                datagram = self._socket.recv(_RECEIVE_BYTES)
            except (BlockingIOError, InterruptedError):
                return False
            except OSError as error:
                if error.errno not in _UNREACHABLE or not self._survives_unreachable():
                    self._lose(error)
                    return False
                continue
            self._received += 1
            self._unreachable_since = None
            self._feed_sink(datagram)
            if self._ended.is_set() or wire not in readable(0.0):
                return False
            if not number % _PORTION:
                self._on_batch()
        return True

    def _feed_sink(self, datagram: bytes) -> None:
        try:
            self._sink.feed(datagram, self._clock.now())
        except BaseException:  # noqa: BLE001 - native code below may raise one (a Rust panic); the thread must live
            self._count_sink_failure()

    def _poll_sink(self) -> float:
        now = self._clock.now()
        try:
            return self._sink.poll(now)
        except BaseException:  # noqa: BLE001 - as above
            self._count_sink_failure()
            return now + _POLL_AFTER_FAILURE_S

    def _count_sink_failure(self) -> None:
        self._sink_failures += 1
        if self._sink_failures == 1:  # once an attempt: a broken sink would fail at every packet
            _log.exception("receive path failed", extra={"fields": {"attempt": self._attempt}})

    def _survives_unreachable(self) -> bool:
        """Count one ICMP report; False once they have gone on for too long. UDP thread and senders."""
        now = self._clock.now()
        with self._lock:
            self._unreachable += 1
            if self._unreachable_since is None:
                self._unreachable_since = now
                self._unreachable_in_a_row = 0
            self._unreachable_in_a_row += 1
            return now - self._unreachable_since < _PATIENCE_S or self._unreachable_in_a_row < _PATIENCE_REPORTS

    def _lose(self, error: OSError) -> None:
        with self._lock:
            if self._ended.is_set():
                return
            self._ended.set()
        self.wake()
        self._on_lost(UdpLost(attempt=self._attempt, reason=udp_reason(error)))

    def _drain_wakes(self) -> None:
        with suppress(BlockingIOError):
            while self._wake_reader.recv(256):
                pass
