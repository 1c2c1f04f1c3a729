"""The proxy as other programs see it: raw sockets, and the resolver as an attacker would have it answer."""

import base64
import ctypes
import errno
import socket
import threading

import pytest

from clankvox.shells import filter_proxy
from clankvox.shells.filter_proxy import FilterProxy
from tests.support.media_server import MediaServer

DEADLINE_S = 10.0


@pytest.fixture
def server():
    with MediaServer() as server:
        server.add("/a", b"hello", "text/plain")
        yield server


@pytest.fixture
def build():
    proxies = []

    def make(allow_private_hosts=True):
        proxies.append(FilterProxy(allow_private_hosts))
        return proxies[-1]

    yield make
    for proxy in proxies:
        proxy.close()


def connect(session):
    host, _, port = session.url.rpartition("@")[2].partition(":")
    return socket.create_connection((host, int(port)), DEADLINE_S)


def authorization(session):
    return b"Proxy-Authorization: Basic " + base64.b64encode(session.credential.encode()) + b"\r\n"


def ask(session, target, headers=None, method=b"GET"):
    """Send one request through the proxy; returns all that comes back."""
    with connect(session) as link:
        given = authorization(session) if headers is None else headers
        link.sendall(method + b" " + target.encode() + b" HTTP/1.1\r\nHost: x\r\n" + given + b"\r\n")
        return b"".join(iter(lambda: link.recv(65_536), b""))


def test_a_request_with_the_credential_is_forwarded(build, server):
    answer = ask(build().open_session(), server.url("/a"))
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"hello")


@pytest.mark.parametrize(
    "headers",
    [
        b"",
        b"Proxy-Authorization: Basic bm9ib2R5Om5vdGhpbmc=\r\n",
        b"Proxy-Authorization: Basic ///\r\n",
        b"Proxy-Authorization: Bearer x\r\n",
    ],
)
def test_without_the_credential_nothing_is(build, server, headers):
    assert ask(build().open_session(), server.url("/a"), headers).startswith(b"HTTP/1.1 407")
    assert not server.hits


def test_sessions_do_not_share_a_credential_and_show_none(build):
    proxy = build()
    first, second = proxy.open_session(), proxy.open_session()
    assert first.credential != second.credential
    assert first.credential not in repr(first)


def test_only_this_machine_can_reach_it(build):
    build_address = build().open_session().url.rpartition("@")[2]
    assert build_address.startswith("127.0.0.1:")


def test_private_hosts_are_refused_for_requests_and_for_tunnels(build, server):
    session = build(allow_private_hosts=False).open_session()
    assert ask(session, server.url("/a")).startswith(b"HTTP/1.1 502")
    assert ask(session, f"127.0.0.1:{server.port}", method=b"CONNECT").startswith(b"HTTP/1.1 502")
    assert "--allow-private-hosts" in session.trouble
    assert not server.hits


def test_a_name_is_looked_up_once_and_the_checked_address_is_connected_to(build, server, monkeypatch):
    """A resolver that answers with another address the second time has nothing to gain."""
    lookups = []

    def resolve(host, port, **_):
        lookups.append(host)
        address = "127.0.0.1" if len(lookups) > 1 else "192.0.2.77"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    tried = []

    def refuse(self, address):
        tried.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(filter_proxy.socket, "getaddrinfo", resolve)
    monkeypatch.setattr(filter_proxy, "is_public", lambda address: address == "192.0.2.77")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    session = build(allow_private_hosts=False).open_session()
    with pytest.raises(ConnectionRefusedError):
        session.connect("rebinding.example", server.port)
    assert (lookups, tried) == (["rebinding.example"], [("192.0.2.77", server.port)])


def test_of_a_name_with_public_and_private_addresses_only_the_public_ones_are_tried(build, monkeypatch):
    tried = []

    def refuse(self, address):
        tried.append(address[0])
        raise ConnectionRefusedError

    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 80)) for ip in ("10.0.0.1", "1.1.1.1", "127.0.0.1")]
    monkeypatch.setattr(filter_proxy.socket, "getaddrinfo", lambda *_, **__: answers)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    session = build(allow_private_hosts=False).open_session()
    with pytest.raises(ConnectionRefusedError):
        session.connect("mixed.example", 80)
    assert tried == ["1.1.1.1"]
    assert session.trouble == "the host cannot be reached"


@pytest.mark.parametrize("host", ["nowhere.invalid", "a..b", "a" * 64 + ".com"])
def test_a_name_that_nobody_knows(build, host):
    session = build().open_session()
    assert ask(session, f"http://{host}/").startswith(b"HTTP/1.1 502")
    assert session.trouble == "the host's name is not known"


def test_a_connection_that_cannot_be_taken_does_not_end_it(build, server, monkeypatch):
    accept, failures = socket.socket.accept, [OSError(errno.EMFILE, "too many open files")]

    def refuse_once(self):
        if threading.current_thread().name == "source-proxy" and failures:
            raise failures.pop()
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", refuse_once)
    assert ask(build().open_session(), server.url("/a")).endswith(b"hello")
    assert not failures


def test_a_connection_for_which_the_system_has_no_thread_is_hung_up_on_and_the_next_is_served(
    build, server, monkeypatch
):
    start, failures = threading.Thread.start, [RuntimeError("can't start new thread")]

    def refuse_once(self):
        if self.name == "source-proxy-connection" and failures:
            raise failures.pop()
        start(self)

    session = build().open_session()
    monkeypatch.setattr(threading.Thread, "start", refuse_once)
    with connect(session) as link:
        assert link.recv(10) == b""
    assert ask(session, server.url("/a")).endswith(b"hello")


def test_closing_a_session_cuts_its_connections_and_no_others(build):
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        upstream.settimeout(DEADLINE_S)
        target = f"127.0.0.1:{upstream.getsockname()[1]}"
        proxy = build()
        ends = []
        for session in (ending := proxy.open_session(), proxy.open_session()):
            link = connect(session)
            link.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: x\r\n".encode() + authorization(session) + b"\r\n")
            assert b"200" in link.recv(4096)
            ends.append((link, upstream.accept()[0]))
        ending.close()
        ending.close()
        (cut, cut_far), (kept, kept_far) = ends
        assert cut.recv(10) == b""
        assert cut_far.recv(10) == b""
        kept.sendall(b"still here")
        assert kept_far.recv(10) == b"still here"
        assert ask(ending, "http://127.0.0.1/").startswith(b"HTTP/1.1 407")
        for link in (cut, cut_far, kept, kept_far):
            link.close()


def test_until_media_was_found_servers_may_send_so_much_and_no_more(build, server, monkeypatch):
    monkeypatch.setattr(filter_proxy, "_RATION_BYTES", 100_000)
    url = server.add("/big", bytes(1_000_000), "text/plain")
    searching, playing = (build().open_session() for _ in range(2))
    assert len(ask(searching, url)) < 150_000
    assert searching.closed
    assert searching.trouble == "the server sends too much that is no media"
    playing.lift_ration()
    assert len(ask(playing, url)) > 1_000_000
    playing.renew_ration()
    assert len(ask(playing, server.url("/a"))) < 1_000
    assert not playing.closed
    assert len(ask(playing, url)) < 150_000
    assert playing.closed


def test_until_media_was_found_there_may_be_so_many_requests_and_no_more(build, server, monkeypatch):
    monkeypatch.setattr(filter_proxy, "_RATION_REQUESTS", 2)
    session = build().open_session()
    answers = [ask(session, server.url("/a"))[9:12] for _ in range(4)]
    assert answers == [b"200", b"200", b"", b"407"]
    assert len(server.hits) == 2


def test_a_closed_proxy_opens_no_session(build):
    proxy = build()
    session = proxy.open_session()
    proxy.close()
    proxy.close()
    with pytest.raises(OSError):
        proxy.open_session()
    with pytest.raises(OSError):
        connect(session).sendall(b"x" * 10_000_000)


def test_what_no_proxy_names_goes_through_it_all_the_same(build, monkeypatch):
    """FFmpeg reads the variable of the C environment, where os.environ puts it."""
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    monkeypatch.setenv("no_proxy", "*")
    assert getenv(b"no_proxy") == b"*"
    build().open_session()
    assert getenv(b"no_proxy") is None
