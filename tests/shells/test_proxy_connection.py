"""One connection, over socket pairs: what is passed on, and what is not."""

import socket
import threading

import pytest

from clankvox.shells.proxy_connection import PassageRefused, ProxyConnection

DEADLINE_S = 10.0
AUTH = b"Proxy-Authorization: Basic dTpw\r\n"  # u:p


class OnePassage:
    """Hands out one end of a socket pair as the connection to the server."""

    def __init__(self):
        self.near, self.far = socket.socketpair()
        self.far.settimeout(DEADLINE_S)
        self.asked = []
        self.cut = []
        self.received_bytes = 0
        self.resumed = []
        self.refuse = False

    def connect(self, host, port):
        self.asked.append((host, port))
        if self.refuse:
            raise PassageRefused
        return self.near

    def admit(self, client):
        pass

    def note_received(self, received_bytes):
        self.received_bytes += received_bytes

    def note_cut(self, target):
        self.cut.append(target)

    def note_resumed(self, target):
        self.resumed.append(target)


class Bench:
    def __init__(self):
        self.passage = OnePassage()
        self.client, served = socket.socketpair()
        self.client.settimeout(DEADLINE_S)
        connection = ProxyConnection(served, {"u:p": self.passage}.get)
        self.thread = threading.Thread(target=connection.serve)
        self.thread.start()

    def ask(self, *lines):
        self.client.sendall(b"\r\n".join(lines) + b"\r\n" + AUTH + b"\r\n")

    def server_reads(self):
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            data += self.passage.far.recv(4096)
        return data

    def answer(self, data, *, end=False):
        self.passage.far.sendall(data)
        if end:
            self.passage.far.close()

    def everything(self):
        return b"".join(iter(lambda: self.client.recv(65_536), b""))

    def end(self):
        self.client.close()
        self.passage.far.close()
        self.thread.join(DEADLINE_S)
        assert not self.thread.is_alive()
        self.passage.near.close()


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    bench.end()


def test_the_server_sees_a_plain_request_without_what_is_meant_for_the_proxy(bench):
    bench.ask(b"GET http://h.example:81/p?q=1 HTTP/1.1", b"Host: h.example:81", b"Range: bytes=0-", b"TE: x")
    request = bench.server_reads()
    assert bench.passage.asked == [("h.example", 81)]
    assert request.startswith(b"GET /p?q=1 HTTP/1.1\r\n")
    assert b"range: bytes=0-" in request.lower()
    assert b"authorization" not in request.lower()
    assert b"te: x" not in request.lower()


def test_a_sized_response_comes_back_whole(bench):
    bench.ask(b"GET http://h/ HTTP/1.1", b"Host: h")
    bench.server_reads()
    bench.answer(b"HTTP/1.1 206 Partial\r\nContent-Length: 3\r\nContent-Range: bytes 0-2/3\r\n\r\nabc")
    answer = bench.everything()
    assert answer.startswith(b"HTTP/1.1 206 Partial\r\n")
    assert answer.endswith(b"\r\n\r\nabc")
    assert not bench.passage.cut
    assert bench.passage.received_bytes > 3


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ],
)
def test_a_response_that_ends_early_is_passed_on_as_such_and_noted(bench, response):
    bench.ask(b"GET http://h/x HTTP/1.1", b"Host: h")
    bench.server_reads()
    bench.answer(response, end=True)
    assert b"abc" in bench.everything()
    assert bench.passage.cut == ["http://h/x"]


def test_a_request_for_the_rest_is_noted(bench):
    bench.ask(b"GET http://h/x HTTP/1.1", b"Host: h", b"Range: bytes=10-")
    bench.server_reads()
    assert bench.passage.resumed == ["http://h/x"]


def test_an_icecast_of_old_is_understood(bench):
    bench.ask(b"GET http://h/radio HTTP/1.1", b"Host: h")
    bench.server_reads()
    bench.answer(b"ICY 200 OK\r\nicy-name: x\r\n\r\nmusic", end=True)
    answer = bench.everything()
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"music" in answer
    assert not bench.passage.cut


def test_a_client_that_leaves_ends_the_connection_while_the_server_says_nothing(bench):
    bench.ask(b"GET http://h/ HTTP/1.1", b"Host: h")
    bench.server_reads()
    bench.client.close()
    assert bench.passage.far.recv(10) == b""


def test_a_tunnel_passes_bytes_both_ways_as_they_are(bench):
    bench.ask(b"CONNECT h.example:443 HTTP/1.1", b"Host: h")
    assert bench.client.recv(4096).startswith(b"HTTP/1.1 200")
    assert bench.passage.asked == [("h.example", 443)]
    bench.client.sendall(b"\x16\x03\x01")
    assert bench.passage.far.recv(10) == b"\x16\x03\x01"
    bench.answer(b"\x00\xff")
    assert bench.client.recv(10) == b"\x00\xff"
    assert bench.passage.received_bytes == 2


def test_a_host_that_is_refused_is_answered_with_502(bench):
    bench.passage.refuse = True
    bench.ask(b"GET http://10.0.0.1/ HTTP/1.1", b"Host: h")
    assert bench.everything().startswith(b"HTTP/1.1 502")


@pytest.mark.parametrize(
    "target",
    [b"/plain", b"https://h/", b"file:///etc/passwd", b"http:///x", b"ftp://h/", b"http://[::1/", b"http://h:99999/"],
)
def test_targets_that_are_none_are_answered_with_400(bench, target):
    bench.ask(b"GET " + target + b" HTTP/1.1", b"Host: h")
    assert bench.everything().startswith(b"HTTP/1.1 400")
    assert not bench.passage.asked


@pytest.mark.parametrize(
    "junk", [b"\x16\x03\x01\x00\x00\r\n\r\n", b"GET\r\n\r\n", b"GET http://h/ HTTP/1.1\r\n: x\r\n\r\n"]
)
def test_what_is_not_http_is_hung_up_on(bench, junk):
    bench.client.sendall(junk)
    assert bench.everything() == b""
