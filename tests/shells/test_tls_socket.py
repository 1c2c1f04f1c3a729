"""Two threads on one TLS connection, against a peer that does the same."""

import contextlib
import hashlib
import select
import socket
import ssl
import threading

import pytest

from clankvox.shells.tls_socket import TlsSocket
from tests.support.gateway_server import certificate

DEADLINE_S = 20.0


@pytest.fixture
def contexts(tmp_path):
    ca_file, server = certificate(tmp_path)
    client = ssl.create_default_context(cafile=ca_file)
    client.sslsocket_class = TlsSocket
    return client, server


@pytest.fixture
def pair(contexts):
    client_context, server_context = contexts
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE_S)
        raw = socket.create_connection(listener.getsockname(), timeout=DEADLINE_S)
        accepted, _ = listener.accept()
    accepted.settimeout(DEADLINE_S)
    servers = []
    accepting = threading.Thread(target=lambda: servers.append(server_context.wrap_socket(accepted, server_side=True)))
    accepting.start()
    client = client_context.wrap_socket(raw, server_hostname="127.0.0.1")
    accepting.join(DEADLINE_S)
    (server,) = servers
    client.settimeout(DEADLINE_S)
    server.settimeout(DEADLINE_S)
    with client, server:
        yield client, server


def run(*works):
    """Run all at once; nothing may fail or hang."""
    failures = []

    def guarded(work):
        try:
            work()
        except Exception as error:  # noqa: BLE001 - asserted below
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * DEADLINE_S)
        assert not thread.is_alive()
    assert failures == []


def pour(sock, block, times):
    for _ in range(times):
        sock.sendall(block)


def drink(sock, size, digest):
    while size:
        data = sock.recv(min(size, 65536))
        assert data
        digest.update(data)
        size -= len(data)


def test_a_context_makes_this_class(pair):
    assert all(type(end) is TlsSocket for end in pair)


def test_both_directions_at_full_speed_keep_every_byte(pair):
    block, times = bytes(range(256)) * 16, 1000
    digests = hashlib.sha256(), hashlib.sha256()
    client, server = pair
    run(
        lambda: pour(client, block, times),
        lambda: pour(server, block, times),
        lambda: drink(client, len(block) * times, digests[0]),
        lambda: drink(server, len(block) * times, digests[1]),
    )
    expected = hashlib.sha256(block * times).digest()
    assert [digest.digest() for digest in digests] == [expected] * 2


def test_no_two_calls_are_inside_openssl_at_a_time(pair, monkeypatch):
    client, server = pair
    inside, overlaps = threading.Lock(), []

    def watched(real):
        def call(sock, *args):
            if sock is not client:
                return real(sock, *args)
            if not inside.acquire(blocking=False):
                overlaps.append(real.__name__)
                return real(sock, *args)
            try:
                select.select([], [], [], 0)  # lets the other thread in, if anything does
                return real(sock, *args)
            finally:
                inside.release()

        return call

    monkeypatch.setattr(ssl.SSLSocket, "recv", watched(ssl.SSLSocket.recv))
    monkeypatch.setattr(ssl.SSLSocket, "send", watched(ssl.SSLSocket.send))
    block, times = bytes(1000), 500
    run(
        lambda: pour(client, block, times),
        lambda: pour(server, block, times),
        lambda: drink(client, len(block) * times, hashlib.sha256()),
        lambda: drink(server, len(block) * times, hashlib.sha256()),
    )
    assert overlaps == []


def test_a_reader_that_waits_does_not_hold_up_a_writer(pair):
    """The server answers only after it was asked, so a reader that kept the lock would block both for good."""
    client, server = pair
    answers = []

    def answer():
        assert server.recv(100) == b"question"
        server.sendall(b"answer")

    run(lambda: answers.append(client.recv(100)), lambda: client.sendall(b"question"), answer)
    assert answers == [b"answer"]


def test_a_reader_without_data_times_out(pair):
    client, _ = pair
    client.settimeout(0.01)
    with pytest.raises(TimeoutError):
        client.recv(100)


def test_a_writer_without_a_reader_times_out(pair):
    client, _ = pair
    client.settimeout(0.01)
    with pytest.raises(TimeoutError):
        pour(client, bytes(1 << 20), 100)


def test_shutdown_ends_a_waiting_reader_and_nothing_leaves_in_clear_after_it(pair):
    client, _ = pair
    received = []
    run(lambda: received.append(client.recv(100)), lambda: client.shutdown(socket.SHUT_RDWR))
    assert received == [b""]
    with pytest.raises(OSError):
        client.sendall(b"secret")
    assert client._sslobj is not None


def test_half_a_shutdown_still_reads_through_tls(pair):
    client, server = pair
    client.shutdown(socket.SHUT_WR)
    server.sendall(b"sealed")
    assert client.recv(100) == b"sealed"


def test_close_ends_a_waiting_reader(pair):
    client, _ = pair
    client.settimeout(None)

    def read():
        with contextlib.suppress(OSError):
            assert client.recv(100) == b""

    run(read, client.close)
    client.close()
    with pytest.raises(OSError):
        client.recv(1)


def test_the_end_of_the_peer_is_the_end_of_data(pair):
    client, server = pair
    server.close()
    assert client.recv(100) == b""


def test_a_handshake_that_never_comes_times_out(contexts):
    client_context, _ = contexts
    with socket.create_server(("127.0.0.1", 0)) as listener:
        raw = socket.create_connection(listener.getsockname(), timeout=DEADLINE_S)
        raw.settimeout(0.01)
        with pytest.raises(TimeoutError):
            client_context.wrap_socket(raw, server_hostname="127.0.0.1")
        assert raw.fileno() == -1
