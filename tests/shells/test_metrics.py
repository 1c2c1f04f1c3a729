"""The metrics endpoint over real sockets."""

import http.client
import socket
import threading

import pytest

from clankvox.shells import metrics
from clankvox.shells.metrics import MetricsServer

DEADLINE_S = 10.0


@pytest.fixture
def serve():
    made = []

    def start(render=lambda accept: ("text/x", f"for {accept}".encode()), host="127.0.0.1"):
        made.append(MetricsServer((host, 0), render))
        return made[-1].start()

    yield start
    for server in made:
        server.stop()


def get(port, path="/metrics", method="GET", host="127.0.0.1", **headers):
    connection = http.client.HTTPConnection(host, port, timeout=DEADLINE_S)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.getheader("Content-Type"), body


def test_a_scrape_gets_the_page_that_its_accept_header_asks_for(serve):
    port = serve()
    assert get(port, Accept="a/b") == (200, "text/x", b"for a/b")
    assert get(port, "/metrics?x=1")[0] == 200


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_ipv6_loopback_works(serve):
    port = serve(host="::1")
    if port is None:
        pytest.skip("this machine has no ::1")
    assert get(port, host="::1")[0] == 200


@pytest.mark.parametrize(("path", "method", "status"), [("/", "GET", 404), ("/metrics", "POST", 501)])
def test_anything_else_is_refused(serve, path, method, status):
    assert get(serve(), path, method)[0] == status


def test_a_page_that_cannot_be_made_is_an_error_and_the_next_scrape_works(serve, caplog):
    pages = [ZeroDivisionError, ("t", b"page")]

    def render(_accept):
        page = pages.pop(0)
        if isinstance(page, tuple):
            return page
        raise page

    port = serve(render)
    assert get(port)[0] == 500
    assert get(port)[2] == b"page"
    assert "metrics could not be rendered" in caplog.messages


def test_whoever_sends_nothing_is_cut_off_so_that_the_next_one_is_served(serve, monkeypatch):
    monkeypatch.setattr(metrics._Handler, "timeout", 0.1)
    port = serve()
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as silent:
        assert get(port)[0] == 200
        assert silent.recv(1) == b""


def test_an_address_that_is_taken_is_logged_and_harms_nobody(serve, caplog):
    port = serve()
    assert MetricsServer(("127.0.0.1", port), lambda _: ("", b"")).start() is None
    assert "metrics are not served" in caplog.messages


def test_a_stopped_server_ends_its_thread(monkeypatch):
    monkeypatch.setattr(metrics._Server, "timeout", 0.01)
    before = set(threading.enumerate())
    server = MetricsServer(("127.0.0.1", 0), lambda _: ("", b""))
    server.start()
    (thread,) = set(threading.enumerate()) - before
    server.stop()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
