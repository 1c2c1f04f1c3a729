"""The metrics endpoint over real sockets."""

import contextlib
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


@pytest.mark.parametrize("host", ["localhost", "LocalHost:80", "127.0.0.1:9464", "127.1.2.3", "[::1]:9464"])
def test_on_loopback_whoever_asks_for_loopback_is_answered(serve, host):
    assert get(serve(), Host=host)[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9464", "127.0.0.1.evil.example", "localhost.evil:1", ""]
)
def test_on_loopback_a_page_whose_name_was_bound_anew_reads_nothing(serve, host):
    status, _, body = get(serve(), Host=host)
    assert status == 421
    assert b"for" not in body


def test_who_says_no_host_at_all_is_no_browser(serve):
    with socket.create_connection(("127.0.0.1", serve()), timeout=DEADLINE_S) as scraper:
        scraper.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert b" 200 " in scraper.makefile("rb").readline()


def test_on_another_address_names_are_whatever_the_operator_gave(serve):
    assert get(serve(host="0.0.0.0"), Host="clankvox.internal:9464")[0] == 200


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


def test_whoever_sends_a_byte_now_and_then_is_cut_off_too(serve, monkeypatch):
    monkeypatch.setattr(metrics, "EXCHANGE_S", 0.3)
    port, done = serve(), threading.Event()

    def dribble(slow):
        with contextlib.suppress(OSError):
            while not done.wait(0.02):
                slow.sendall(b"x")

    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as slow:
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Long: ")
        thread = threading.Thread(target=dribble, args=(slow,))
        thread.start()
        assert get(port)[0] == 200
        done.set()
        thread.join()


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
