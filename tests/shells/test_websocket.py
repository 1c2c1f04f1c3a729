"""A real server on loopback, plain and with TLS; the test itself is the gateway."""

import logging
import queue
import ssl
import threading

import pytest
from websockets.exceptions import ConnectionClosed

from clankvox.ids import Attempt
from clankvox.messages.connection import SocketBinary, SocketLost, SocketOpened, SocketText
from clankvox.shells.websocket import VoiceWebSocket
from tests.support.gateway_server import DEADLINE_S, GatewayServer, certificate

ONE, TWO = Attempt(1), Attempt(2)
TIMEOUT_S = 8.0


class Client:
    """A VoiceWebSocket whose news wait in a queue."""

    def __init__(self, **options):
        self.news = queue.SimpleQueue()
        self.socket = VoiceWebSocket(self.news.put, **options)

    def connect(self, server, attempt=ONE, scheme="ws"):
        self.socket.connect(attempt, f"{scheme}://127.0.0.1:{server.port}/?v=9", TIMEOUT_S)

    def open(self, server, attempt=ONE, scheme="ws"):
        self.connect(server, attempt, scheme)
        assert self.next() == SocketOpened(attempt=attempt)
        return server.accept()

    def next(self):
        return self.news.get(timeout=DEADLINE_S)


def wait_for_threads():
    """All threads of all attempts end by themselves."""
    for thread in threading.enumerate():
        if thread.name.startswith("ws-"):
            thread.join(DEADLINE_S)
            assert not thread.is_alive(), thread.name


@pytest.fixture
def client():
    client = Client()
    yield client
    client.socket.close(1000)
    wait_for_threads()


@pytest.fixture
def server():
    with GatewayServer() as server:
        yield server


def close_code_seen_by(connection):
    with pytest.raises(ConnectionClosed) as closed:
        connection.recv(timeout=DEADLINE_S)
    return None if closed.value.rcvd is None else closed.value.rcvd.code


def test_messages_go_both_ways_in_order_and_keep_their_kind(client, server):
    gateway = client.open(server)
    gateway.send("hello")
    gateway.send(b"\x00\x01\x19")
    assert client.next() == SocketText(attempt=ONE, text="hello")
    assert client.next() == SocketBinary(attempt=ONE, data=b"\x00\x01\x19")
    frames = [f"text {number}" if number % 2 else bytes([number]) for number in range(50)]
    for frame in frames:
        client.socket.send(frame)
    assert [gateway.recv(timeout=DEADLINE_S) for _ in frames] == frames


def test_the_handshake_says_little_and_asks_for_no_compression(client, server):
    headers = client.open(server).request.headers
    assert headers["User-Agent"] == "clankvox"
    assert "Sec-WebSocket-Extensions" not in headers


def test_a_proxy_of_the_environment_is_not_used(client, server, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    client.open(server)


@pytest.fixture
def tls_server(tmp_path):
    ca_file, context = certificate(tmp_path)
    with GatewayServer(tls=context) as server:
        server.ca_file = ca_file
        yield server


def test_tls_trusts_what_ssl_cert_file_names(client, tls_server, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tls_server.ca_file))
    gateway = client.open(tls_server, scheme="wss")
    gateway.send("sealed")
    assert client.next() == SocketText(attempt=ONE, text="sealed")
    client.socket.send("also sealed")
    assert gateway.recv(timeout=DEADLINE_S) == "also sealed"


def test_tls_of_an_unknown_authority_is_refused(client, tls_server):
    client.connect(tls_server, scheme="wss")
    lost = client.next()
    assert isinstance(lost, SocketLost)
    assert lost.close_code is None
    assert lost.reason.startswith("certificate not trusted")
    assert "127.0.0.1" not in lost.reason


def test_tls_for_another_name_is_refused(tmp_path):
    ca_file, context = certificate(tmp_path, name="127.0.0.2")
    client = Client(tls=lambda: ssl.create_default_context(cafile=ca_file))
    with GatewayServer(tls=context) as server:
        client.connect(server, scheme="wss")
        assert client.next().reason.startswith("certificate not trusted")
        wait_for_threads()


def test_the_servers_close_code_and_reason_arrive(client, server):
    client.open(server).close(4006, "Session is no longer valid.")
    assert client.next() == SocketLost(attempt=ONE, close_code=4006, reason="Session is no longer valid.")


def test_a_close_reason_is_made_printable_and_short(client, server):
    client.open(server).close(4000, "a\r\n\x1b[31m" + "b" * 115)
    lost = client.next()
    assert lost.reason == ("a   [31m" + "b" * 115)[:120]
    assert len(lost.reason) == 120


def test_what_was_sent_before_the_close_is_told_before_the_loss(client, server):
    gateway = client.open(server)
    for number in range(40):
        gateway.send(str(number))
    gateway.close(4014)
    texts = [client.next() for _ in range(40)]
    assert [news.text for news in texts] == [str(number) for number in range(40)]
    assert client.next() == SocketLost(attempt=ONE, close_code=4014, reason="")


def test_close_tells_the_server_the_code_after_what_was_queued(client, server):
    gateway = client.open(server)
    client.socket.send("last words")
    client.socket.close(4000)
    client.socket.close(1000)
    assert gateway.recv(timeout=DEADLINE_S) == "last words"
    assert close_code_seen_by(gateway) == 4000
    wait_for_threads()
    assert client.news.empty()


def test_the_end_of_the_process_can_wait_for_the_close_frame(client, server):
    client.socket.wait_closed(DEADLINE_S)
    gateway = client.open(server)
    client.socket.close(1000)
    client.socket.wait_closed(DEADLINE_S)
    assert client.socket._closing._ended.is_set()
    assert close_code_seen_by(gateway) == 1000


def test_after_close_nothing_is_told(client, server):
    gateway = client.open(server)
    client.socket.close(1000)
    gateway.close(4014)
    wait_for_threads()
    assert client.news.empty()
    client.socket.send("into the void")


def test_a_newer_attempt_cuts_the_older_without_a_close_frame(client, server):
    older = client.open(server, ONE)
    newer = client.open(server, TWO)
    assert close_code_seen_by(older) is None
    newer.send("hello")
    assert client.next() == SocketText(attempt=TWO, text="hello")
    assert client.news.empty()


def test_a_listener_may_close_from_its_own_callback(server):
    told = queue.SimpleQueue()

    def on_news(news):
        socket.close(4001)
        told.put(news)

    socket = VoiceWebSocket(on_news)
    socket.connect(ONE, f"ws://127.0.0.1:{server.port}/", TIMEOUT_S)
    assert told.get(timeout=DEADLINE_S) == SocketOpened(attempt=ONE)
    assert close_code_seen_by(server.accept()) == 4001
    wait_for_threads()
    assert told.empty()


def test_contents_are_not_logged_even_at_debug(client, server, caplog):
    caplog.set_level(logging.DEBUG)
    gateway = client.open(server)
    client.socket.send("token-of-ours")
    gateway.recv(timeout=DEADLINE_S)
    gateway.send("secret-key-of-theirs")
    news = client.next()
    assert "token" not in caplog.text
    assert "secret" not in caplog.text
    assert "secret" not in repr(news)
