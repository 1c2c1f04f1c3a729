"""Time, datagrams, and what is optional."""

import importlib.util
import re
import socket
import threading

import pytest

from clankvox.doctor import machine
from clankvox.doctor.finding import Doubtful, Skipped, Wrong
from clankvox.doctor.machine import StunServer


class Slow:
    """A clock whose sleeper wakes late."""

    def __init__(self):
        self._now = 0.0

    def now(self):
        return self._now

    def sleep(self, seconds):
        self._now += seconds + 0.02


class Exact(Slow):
    def sleep(self, seconds):
        self._now += seconds


def test_a_machine_that_keeps_time_is_told_how_well(monkeypatch):
    monkeypatch.setattr(machine, "SystemClock", Exact)
    assert machine.timer() == "wakes 0.00 ms late at the median, 0.00 ms at the 99th percentile"


def test_a_machine_that_wakes_late_is_warned_of(monkeypatch):
    monkeypatch.setattr(machine, "SystemClock", Slow)
    with pytest.raises(Doubtful, match="99th percentile: packets will leave unevenly"):
        machine.timer()


def test_datagrams_come_back():
    assert machine.udp_loopback() == "100 datagrams of 1200 bytes"


def test_a_loopback_that_loses_datagrams_is_wrong(monkeypatch):
    monkeypatch.setattr(machine, "_UDP_TIMEOUT_S", 0.05)
    monkeypatch.setattr(socket.socket, "send", lambda _self, data: len(data))
    with pytest.raises(Wrong, match="did not come back"):
        machine.udp_loopback()


def test_a_machine_without_a_loopback_is_told_so(monkeypatch):
    def unreachable(_self, _data):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket.socket, "send", unreachable)
    with pytest.raises(Wrong, match=r"^UDP to 127\.0\.0\.1 fails: Network is unreachable$"):
        machine.udp_loopback()


@pytest.fixture(params=["127.0.0.1", "::1"])
def stun(request):
    """A server on loopback that answers as told; gives its address and the requests that it got."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        try:
            server.bind((request.param, 0))
        except OSError:
            pytest.skip("no IPv6 here")
        requests, answer = [], {}

        def serve():
            while True:
                try:
                    request, sender = server.recvfrom(2048)
                except OSError:
                    return
                requests.append(request)
                if request == b"end":
                    return
                made = answer["make"](request)
                if made:
                    server.sendto(made, sender)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        host, port = server.getsockname()[:2]
        yield StunServer(host, port), requests, answer
        with socket.socket(family, socket.SOCK_DGRAM) as last:
            last.sendto(b"end", (host, port))
        thread.join(5)


def test_a_stun_server_that_answers_proves_the_way_out(stun):
    address, requests, answer = stun
    answer["make"] = lambda request: b"\x01\x01\x00\x00" + request[4:]
    assert machine.udp_egress(address).startswith("answered in ")
    assert requests[0][:8] == bytes.fromhex("000100002112a442")


@pytest.mark.parametrize("make", [lambda _: b"", lambda request: b"\x01\x01\x00\x00" + bytes(len(request) - 4)])
def test_no_answer_and_a_strangers_answer_prove_nothing(stun, make, monkeypatch):
    address, _, answer = stun
    answer["make"] = make
    monkeypatch.setattr(machine, "_UDP_TIMEOUT_S", 0.05)
    with pytest.raises(Wrong, match="no answer"):
        machine.udp_egress(address)


def test_nothing_is_sent_to_the_internet_unless_asked_for(monkeypatch):
    monkeypatch.setattr(socket, "socket", None)
    with pytest.raises(Skipped):
        machine.udp_egress(None)


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("127.0.0.1", "Connection refused"),
        ("nosuch.invalid", "Name or service not known|Temporary failure in name resolution|No address"),
        ("x" * 300, "Unicode|Name|too long"),
    ],
)
def test_a_server_that_cannot_be_had_is_wrong_and_not_named(host, said):
    with pytest.raises(Wrong, match=rf"^UDP cannot leave: .*({said})") as found:
        machine.udp_egress(StunServer(host, 9))
    assert host not in str(found.value)


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("stun.example", StunServer("stun.example", 3478)),
        ("10.0.0.1:9", StunServer("10.0.0.1", 9)),
        ("[::1]", StunServer("::1", 3478)),
        ("[2001:db8::1]:19302", StunServer("2001:db8::1", 19_302)),
    ],
)
def test_a_stun_server_is_a_host_and_perhaps_a_port(text, server):
    assert machine.stun_server(text) == server


@pytest.mark.parametrize("text", ["", ":1", "host:", "host:port", "host:0", "host:65536", "::1", "[::1", "stun://host"])
def test_what_is_no_stun_server_is_refused(text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        machine.stun_server(text)


def test_yt_dlp_is_optional(monkeypatch):
    assert machine.page_resolver() == "yt-dlp is installed"
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(Skipped) as skipped:
        machine.page_resolver()
    assert "clankvox[youtube]" in skipped.value.advice
