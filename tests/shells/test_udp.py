"""Real sockets on loopback."""

import queue
import socket
import threading

import pytest

from clankvox.clock import SystemClock
from clankvox.errors import TransportLost
from clankvox.ids import Attempt
from clankvox.shells import udp_link
from clankvox.shells.udp import UdpSocket, UdpStatistics
from tests.support.udp_sinks import DEADLINE_S, QueueSink, server_socket

ONE, TWO = Attempt(1), Attempt(2)


@pytest.fixture
def server():
    with server_socket() as bound:
        yield bound


@pytest.fixture
def lost():
    return queue.SimpleQueue()


@pytest.fixture
def udp(lost):
    udp = UdpSocket(SystemClock(), lost.put)
    yield udp
    udp.close()
    for thread in threading.enumerate():
        if thread.name.startswith("udp-"):
            thread.join(DEADLINE_S)
            assert not thread.is_alive()


def exchange(udp, server, sink):
    """Send once so that the server learns our address, and have it answer."""
    udp.send(b"ping")
    datagram, peer = server.recvfrom(2048)
    assert datagram == b"ping"
    server.sendto(b"pong", peer)
    assert sink.next_datagram() == b"pong"
    return peer


def test_datagrams_go_both_ways_and_arrive_with_their_time(udp, server):
    sink = QueueSink()
    before = SystemClock().now()
    udp.open(ONE, "127.0.0.1", server.getsockname()[1], sink)
    udp.send(b"ping")
    _, peer = server.recvfrom(2048)
    server.sendto(b"pong", peer)
    datagram, now = sink.datagrams.get(timeout=DEADLINE_S)
    assert datagram == b"pong"
    assert before <= now <= SystemClock().now()


def test_ipv6_works_too(udp):
    try:
        server = server_socket(socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    with server:
        sink = QueueSink()
        udp.open(ONE, "::1", server.getsockname()[1], sink)
        exchange(udp, server, sink)


def test_more_than_a_batch_arrives_whole_and_in_order(udp, server):
    sink = QueueSink()
    udp.open(ONE, "127.0.0.1", server.getsockname()[1], sink)
    peer = exchange(udp, server, sink)
    for number in range(300):
        server.sendto(number.to_bytes(2, "big"), peer)
    assert [int.from_bytes(sink.next_datagram(), "big") for _ in range(300)] == list(range(300))
    assert udp.statistics().received == 301


def test_a_stranger_is_not_heard(udp, server):
    """The socket is connected: datagrams of other addresses never reach the sink."""
    sink = QueueSink()
    udp.open(ONE, "127.0.0.1", server.getsockname()[1], sink)
    peer = exchange(udp, server, sink)
    with server_socket() as stranger:
        stranger.sendto(b"forged", peer)
    server.sendto(b"genuine", peer)
    assert sink.next_datagram() == b"genuine"


def test_a_newer_attempt_closes_the_older(udp, server, lost):
    old, new = QueueSink(), QueueSink()
    udp.open(ONE, "127.0.0.1", server.getsockname()[1], old)
    old_peer = exchange(udp, server, old)
    udp.open(TWO, "127.0.0.1", server.getsockname()[1], new)
    assert exchange(udp, server, new) != old_peer
    assert old.datagrams.empty()
    assert lost.empty()


def test_wake_polls_the_sink_at_once(udp, server, monkeypatch):
    monkeypatch.setattr(udp_link, "_LONGEST_WAIT_S", 10 * DEADLINE_S)
    sink = QueueSink()
    udp.open(ONE, "127.0.0.1", server.getsockname()[1], sink)
    first = sink.next_poll()
    udp.wake()
    assert sink.next_poll() >= first


def test_without_a_socket_send_fails_and_the_rest_does_nothing(udp, lost):
    with pytest.raises(TransportLost):
        udp.send(b"x")
    udp.wake()
    udp.close()
    assert lost.empty()
    assert udp.statistics() == UdpStatistics(0, 0, 0, 0)


def test_after_close_nothing_is_sent_and_nothing_is_told(udp, server, lost):
    udp.open(ONE, "127.0.0.1", server.getsockname()[1], QueueSink())
    udp.close()
    udp.close()
    with pytest.raises(TransportLost):
        udp.send(b"x")
    assert lost.empty()


@pytest.mark.parametrize(
    ("ip", "port"), [("not-an-address", 1), ("localhost", 1), ("", 1), ("127.0.0.1", 70000), ("127.0.0.1", -1)]
)
def test_an_address_that_is_none_is_a_lost_link_without_naming_it(udp, lost, ip, port):
    udp.open(ONE, ip, port, QueueSink())
    news = lost.get(timeout=DEADLINE_S)
    assert news.attempt == ONE
    assert news.reason == "invalid address"


def test_counters_add_up_over_attempts(udp, server):
    for attempt in (ONE, TWO):
        sink = QueueSink()
        udp.open(attempt, "127.0.0.1", server.getsockname()[1], sink)
        exchange(udp, server, sink)
    assert udp.statistics().received == 2


def test_the_socket_asks_for_large_buffers(udp, server):
    with server_socket() as plain:
        usual = plain.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    udp.open(ONE, "127.0.0.1", server.getsockname()[1], QueueSink())
    assert udp._link._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) > usual
