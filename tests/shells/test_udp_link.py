"""What a link survives and what ends it. Real sockets; only errors that loopback cannot produce are injected."""

import errno
import itertools
import queue
import socket

import pytest

from clankvox.clock import SystemClock
from clankvox.errors import TransportLost
from clankvox.ids import Attempt
from clankvox.shells.udp_link import UdpLink
from tests.support.udp_sinks import DEADLINE_S, FailingSink, QueueSink, server_socket

ATTEMPT = Attempt(7)


class HandClock:
    def __init__(self):
        self.instant = 50.0

    def now(self):
        return self.instant


class Faulty:
    """A socket whose send or recv fails with the next error of a script, and else is the real one."""

    def __init__(self, real):
        self.real = real
        self.send_errors = []
        self.recv_errors = []

    def fileno(self):
        return self.real.fileno()

    def close(self):
        self.real.close()

    def send(self, datagram):
        if self.send_errors:
            raise OSError(self.send_errors.pop(0), "10.1.2.3:50000")
        return self.real.send(datagram)

    def recv(self, size):
        if self.recv_errors:
            raise OSError(self.recv_errors.pop(0), "10.1.2.3:50000")
        return self.real.recv(size)


class Bench:
    """A link to a server socket, with everything in reach."""

    def __init__(self, sink, clock):
        self.server = server_socket()
        real = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        real.setblocking(False)
        real.connect(self.server.getsockname())
        self.address = real.getsockname()
        self.socket = Faulty(real)
        self.sink = sink
        self.lost = queue.SimpleQueue()
        self.link = UdpLink(ATTEMPT, self.socket, sink, clock, self.lost.put)
        self.link.start()

    def deliver(self, datagram):
        self.server.sendto(datagram, self.address)
        assert self.sink.next_datagram() == datagram

    def end(self):
        self.link.close()
        self.link._thread.join(DEADLINE_S)
        assert not self.link._thread.is_alive()
        assert self.socket.fileno() == -1
        self.server.close()


@pytest.fixture
def build():
    benches = []

    def make(sink=None, clock=None):
        benches.append(Bench(sink or QueueSink(), clock or SystemClock()))
        return benches[-1]

    yield make
    for bench in benches:
        bench.end()


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOBUFS, errno.EMSGSIZE])
def test_a_full_buffer_or_an_oversized_datagram_is_dropped_and_counted(build, number):
    bench = build()
    bench.socket.send_errors = [number]
    bench.link.send(b"dropped")
    bench.link.send(b"kept")
    assert bench.server.recv(2048) == b"kept"
    assert bench.link.statistics().send_dropped == 1
    assert bench.lost.empty()


def test_the_kernel_itself_refuses_an_oversized_datagram(build):
    bench = build()
    bench.link.send(bytes(70_000))
    bench.link.send(b"kept")
    assert bench.server.recv(2048) == b"kept"
    assert bench.link.statistics().send_dropped == 1


def test_an_icmp_report_about_an_earlier_datagram_does_not_cost_this_one(build):
    bench = build()
    bench.socket.send_errors = [errno.ECONNREFUSED]
    bench.link.send(b"kept")
    assert bench.server.recv(2048) == b"kept"
    assert bench.link.statistics().unreachable == 1
    assert bench.lost.empty()


def test_a_real_refusal_is_counted_and_the_link_lives_when_the_server_comes_back(build):
    bench = build()
    address = bench.server.getsockname()
    bench.server.close()
    bench.link.send(b"nobody is there")
    while bench.link.statistics().unreachable == 0:
        bench.link.wake()
        bench.sink.next_poll()
    bench.server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bench.server.settimeout(DEADLINE_S)
    bench.server.bind(address)
    bench.deliver(b"back again")
    assert bench.lost.empty()


def test_refusals_without_end_lose_the_link_once(build):
    clock = HandClock()
    bench = build(clock=clock)
    for _ in range(10):
        clock.instant += 1.0
        bench.socket.recv_errors.append(errno.ECONNREFUSED)
        while bench.socket.recv_errors and not bench.link._ended.is_set():
            bench.link.wake()
    news = bench.lost.get(timeout=DEADLINE_S)
    assert (news.attempt, news.reason) == (ATTEMPT, "ECONNREFUSED")
    assert bench.lost.empty()


def test_a_datagram_between_refusals_renews_patience(build):
    clock = HandClock()
    bench = build(clock=clock)
    for _ in range(10):
        clock.instant += 1.0
        bench.socket.send_errors = [errno.ECONNREFUSED]
        bench.link.send(b"x")
        bench.deliver(b"alive")
    assert bench.lost.empty()


def test_two_refusals_far_apart_are_not_persistent(build):
    clock = HandClock()
    bench = build(clock=clock)
    for _ in range(2):
        bench.socket.send_errors = [errno.ECONNREFUSED]
        bench.link.send(b"x")
        clock.instant += 3600.0
    assert bench.lost.empty()


def test_another_error_of_send_loses_the_link_once_and_names_no_address(build):
    bench = build()
    bench.socket.send_errors = [errno.EPERM]
    with pytest.raises(TransportLost, match="EPERM") as raised:
        bench.link.send(b"x")
    assert "10.1.2.3" not in str(raised.value)
    news = bench.lost.get(timeout=DEADLINE_S)
    assert (news.attempt, news.reason) == (ATTEMPT, "EPERM")
    with pytest.raises(TransportLost):
        bench.link.send(b"x")
    assert bench.lost.empty()


def test_an_error_of_recv_loses_the_link(build):
    bench = build()
    bench.socket.recv_errors = [errno.EIO]
    bench.link.wake()
    assert bench.lost.get(timeout=DEADLINE_S).reason == "EIO"
    bench.link._thread.join(DEADLINE_S)
    assert not bench.link._thread.is_alive()


@pytest.mark.parametrize("failure", [ValueError("bug"), BaseException("native panic")])
def test_a_sink_that_raises_is_logged_once_and_goes_on_being_fed(build, caplog, failure):
    bench = build(sink=FailingSink(failure))
    for number in range(5):
        bench.deliver(bytes([number]))
        bench.sink.next_poll()
    assert bench.lost.empty()
    assert bench.link.statistics().sink_failures >= 5
    assert len(caplog.records) == 1


def test_the_sink_is_polled_when_it_asked_to_be(build, monkeypatch):
    """With the longest wait out of the way, only the instant that the sink returned can bring the next poll."""
    monkeypatch.setattr("clankvox.shells.udp_link._LONGEST_WAIT_S", 3600.0)
    sink = QueueSink(due_in_s=0.005)
    build(sink=sink)
    instants = [sink.next_poll() for _ in range(5)]
    assert all(later - earlier >= 0.005 for earlier, later in itertools.pairwise(instants))


def test_a_flood_does_not_keep_the_sink_from_being_polled(build):
    """Every datagram provokes the next one, so the socket is never empty."""
    polls_seen = []

    class Flooded(QueueSink):
        def feed(self, datagram, now):
            super().feed(datagram, now)
            polls_seen.append(self.polls.qsize())
            if len(polls_seen) < 500:
                bench.server.sendto(datagram, bench.address)

    bench = build(sink=Flooded())
    bench.deliver(b"start")
    for _ in range(499):
        bench.sink.next_datagram()
    assert polls_seen[-1] - polls_seen[0] >= 499 // 64 - 1


def test_a_sink_may_close_its_own_link(build):
    class Closing(QueueSink):
        def feed(self, datagram, now):
            bench.link.close()
            super().feed(datagram, now)

    bench = build(sink=Closing())
    bench.server.sendto(b"last", bench.address)
    bench.server.sendto(b"too late", bench.address)
    assert bench.sink.next_datagram() == b"last"
    bench.link._thread.join(DEADLINE_S)
    assert bench.sink.datagrams.empty()


def test_says_behind_each_batch_that_all_was_read():
    told = queue.SimpleQueue()
    sink, server = QueueSink(), server_socket()
    real = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    real.setblocking(False)
    real.connect(server.getsockname())
    link = UdpLink(
        ATTEMPT, real, sink, SystemClock(), queue.SimpleQueue().put, lambda: told.put(sink.datagrams.qsize())
    )
    for number in range(3):
        server.sendto(bytes([number]), real.getsockname())
    link.start()
    assert told.get(timeout=DEADLINE_S) == 3
    link.close()
    server.close()
