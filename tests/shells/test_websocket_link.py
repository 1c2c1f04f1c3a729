"""How a connection fails: before it is open, while it is stuck, and when the other side breaks the rules."""

import base64
import contextlib
import hashlib
import queue
import socket
import threading
from http import HTTPStatus

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Response

from clankvox.ids import Attempt
from clankvox.messages.connection import SocketLost, SocketOpened
from clankvox.shells.websocket_link import WebSocketLink
from tests.support.gateway_server import DEADLINE_S, GatewayServer

ATTEMPT = Attempt(3)
TIMEOUT_S = 8.0
SECRET = "token=hunter2"


def no_tls():
    raise AssertionError("ws:// needs no TLS")


@pytest.fixture
def news():
    return queue.SimpleQueue()


@pytest.fixture
def start(news):
    links = []

    def start(port, timeout_s=TIMEOUT_S, url=None, on_news=news.put):
        link = WebSocketLink(ATTEMPT, url or f"ws://127.0.0.1:{port}/?{SECRET}", timeout_s, no_tls, on_news)
        links.append(link)
        link.start()
        return link

    yield start
    for link in links:
        link.abandon()
    wait_for_threads()


def wait_for_threads():
    for thread in threading.enumerate():
        if thread.name.startswith("ws-"):
            thread.join(DEADLINE_S)
            assert not thread.is_alive(), thread.name


@pytest.fixture
def listener():
    """A TCP socket that the test serves by hand."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(DEADLINE_S)
        yield listening


def upgrade(listener):
    """Accept one connection and do the server's half of the opening handshake (RFC 6455 section 4.2.2)."""
    peer, _ = listener.accept()
    request = b""
    while b"\r\n\r\n" not in request:
        request += peer.recv(4096)
    key = next(line.split(b": ")[1] for line in request.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key"))
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest()
    peer.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )
    return peer


def expect_lost(news, reason, close_code=None):
    assert news.get(timeout=DEADLINE_S) == SocketLost(attempt=ATTEMPT, close_code=close_code, reason=reason)
    wait_for_threads()
    assert news.empty()


def test_nobody_listens(start, news):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    start(port)
    expect_lost(news, "connection failed: ECONNREFUSED")


def test_a_name_that_does_not_exist(start, news, monkeypatch):
    def fail(host, *_args, **_options):
        raise socket.gaierror(socket.EAI_NONAME, f"{host} not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    start(443, url="ws://secret.example/")
    expect_lost(news, "name resolution failed")


def test_a_url_that_is_none(start, news):
    start(0, url=f"http://127.0.0.1/?{SECRET}")
    expect_lost(news, "invalid URL")


@pytest.mark.parametrize("status", [HTTPStatus.FORBIDDEN, HTTPStatus.BAD_GATEWAY])
def test_a_handshake_that_http_rejects(start, news, status):
    with GatewayServer(process_request=lambda _c, _r: Response(status, "", Headers())) as server:
        start(server.port)
        expect_lost(news, f"handshake rejected with HTTP status {status}")


def test_a_redirect_is_not_followed(start, news):
    with GatewayServer() as elsewhere:
        location = Headers({"Location": f"ws://127.0.0.1:{elsewhere.port}/"})
        with GatewayServer(process_request=lambda _c, _r: Response(302, "", location)) as server:
            start(server.port)
            expect_lost(news, "handshake rejected with HTTP status 302")
        assert elsewhere.connections.empty()


def test_a_server_that_speaks_no_http(start, news, listener):
    start(listener.getsockname()[1])
    with listener.accept()[0] as peer:
        assert peer.recv(4096)
        peer.sendall(b"220 mail.example ESMTP\r\n\r\n")
        peer.shutdown(socket.SHUT_WR)
        expect_lost(news, "handshake failed: InvalidMessage")


def test_a_server_that_accepts_and_never_answers(start, news, listener):
    start(listener.getsockname()[1], timeout_s=0.3)  # time to connect, on a busy machine too
    with listener.accept()[0]:
        expect_lost(news, "timed out")


def test_a_name_look_up_that_hangs_is_timed_out_and_its_late_answer_ignored(start, news, monkeypatch):
    answer = threading.Event()
    real = socket.getaddrinfo

    def hang(*args, **options):
        assert answer.wait(DEADLINE_S)
        return real(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with GatewayServer() as server:
        start(server.port, timeout_s=0.05)
        assert news.get(timeout=DEADLINE_S).reason == "timed out"
        answer.set()
        wait_for_threads()
    assert news.empty()


def test_close_while_opening_tells_nothing(start, news, listener):
    link = start(listener.getsockname()[1])
    with listener.accept()[0] as peer:
        link.close(1000)
        peer.close()
    wait_for_threads()
    assert news.empty()


def test_a_connection_that_completes_after_close_is_cut(start, news, monkeypatch):
    looked_up, answer = threading.Event(), threading.Event()
    real = socket.getaddrinfo

    def hang(*args, **options):
        looked_up.set()
        assert answer.wait(DEADLINE_S)
        return real(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with GatewayServer() as server:
        link = start(server.port)
        assert looked_up.wait(DEADLINE_S)
        link.close(1000)
        answer.set()
        wait_for_threads()
    assert news.empty()


def test_a_connection_that_breaks_has_no_close_code(start, news, listener):
    start(listener.getsockname()[1])
    with upgrade(listener):
        assert news.get(timeout=DEADLINE_S) == SocketOpened(attempt=ATTEMPT)
    expect_lost(news, "connection lost")


def test_an_empty_close_frame_has_the_code_for_none(start, news, listener):
    """RFC 6455 section 7.1.5: a close frame without a body counts as 1005."""
    start(listener.getsockname()[1])
    with upgrade(listener) as peer:
        assert news.get(timeout=DEADLINE_S) == SocketOpened(attempt=ATTEMPT)
        peer.sendall(b"\x88\x00")
        expect_lost(news, "", close_code=1005)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        pytest.param(b"\x81\x82abcd", 1002, id="masked by the server"),
        pytest.param(b"\xf1\x00", 1002, id="reserved bits"),
        pytest.param(b"\x81\x02\xc3\x28", 1007, id="text that is no UTF-8"),
        pytest.param(b"\x82\x7f" + (4 * 1024 * 1024 + 1).to_bytes(8, "big"), 1009, id="larger than the limit"),
    ],
)
def test_a_server_that_breaks_the_rules_is_closed(start, news, listener, frame, code):
    start(listener.getsockname()[1])
    with upgrade(listener) as peer:
        assert news.get(timeout=DEADLINE_S) == SocketOpened(attempt=ATTEMPT)
        peer.sendall(frame)
        expect_lost(news, f"closed here with {code}")


def test_a_message_of_the_largest_size_is_received(start, news):
    with GatewayServer() as server:
        start(server.port)
        server.accept().send(bytes(4 * 1024 * 1024))
        assert news.get(timeout=DEADLINE_S) == SocketOpened(attempt=ATTEMPT)
        assert len(news.get(timeout=DEADLINE_S).data) == 4 * 1024 * 1024


def test_a_server_that_stops_reading_is_lost_when_the_queue_is_full(start, news, listener):
    link = start(listener.getsockname()[1])
    with upgrade(listener):
        assert news.get(timeout=DEADLINE_S) == SocketOpened(attempt=ATTEMPT)
        for _ in range(400):
            link.send(bytes(100_000))
        expect_lost(news, "send queue full")


@pytest.mark.parametrize("frames", [0, 200])
def test_close_ends_although_the_server_answers_nothing(start, news, listener, frames):
    link = start(listener.getsockname()[1])
    with upgrade(listener):
        assert news.get(timeout=DEADLINE_S) == SocketOpened(attempt=ATTEMPT)
        for _ in range(frames):
            link.send(bytes(100_000))
        link.close(1000)
        wait_for_threads()
    assert news.empty()


def test_close_ends_although_the_server_floods(start, news, listener):
    link = start(listener.getsockname()[1])
    with upgrade(listener) as peer:
        assert news.get(timeout=DEADLINE_S) == SocketOpened(attempt=ATTEMPT)
        over = threading.Event()

        def flood():
            with contextlib.suppress(OSError):
                while not over.is_set():
                    peer.sendall(b"\x81\x01x" * 1000)

        flooding = threading.Thread(target=flood)
        flooding.start()
        news.get(timeout=DEADLINE_S)
        link.close(1000)
        wait_for_threads()
        assert link._connection.socket.fileno() == -1
        over.set()
        with contextlib.suppress(OSError):
            # Mostly it has had its reset; with a full window the kernel may take a minute to tell it.
            peer.shutdown(socket.SHUT_RDWR)
        flooding.join(DEADLINE_S)
        assert not flooding.is_alive()


def test_a_listener_that_raises_ends_the_connection(start, caplog):
    def broken(_news):
        raise RuntimeError("actor is dead")

    with GatewayServer() as server:
        start(server.port, on_news=broken)
        server.accept()
        wait_for_threads()
    assert [record.message for record in caplog.records] == ["socket listener failed"]
