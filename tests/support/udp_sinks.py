"""A DatagramSink that hands what it is given to the test, and a server socket that answers by hand."""

import math
import queue
import socket

DEADLINE_S = 10.0


class QueueSink:
    """Every call goes into a queue; `due_in_s` is when the next poll is asked for."""

    def __init__(self, due_in_s=math.inf):
        self.datagrams = queue.SimpleQueue()
        self.polls = queue.SimpleQueue()
        self.due_in_s = due_in_s

    def feed(self, datagram, now):
        self.datagrams.put((datagram, now))

    def poll(self, now):
        self.polls.put(now)
        return now + self.due_in_s

    def next_datagram(self):
        return self.datagrams.get(timeout=DEADLINE_S)[0]

    def next_poll(self):
        return self.polls.get(timeout=DEADLINE_S)


class FailingSink(QueueSink):
    """Raises `failure` for every call, after it was noted."""

    def __init__(self, failure):
        super().__init__(due_in_s=0.0)
        self.failure = failure

    def feed(self, datagram, now):
        super().feed(datagram, now)
        raise self.failure

    def poll(self, now):
        super().poll(now)
        raise self.failure


def server_socket(family=socket.AF_INET):
    """Bind a UDP socket on a free loopback port, with a deadline for everything that a test does on it."""
    server = socket.socket(family, socket.SOCK_DGRAM)
    server.settimeout(DEADLINE_S)
    server.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
    return server
