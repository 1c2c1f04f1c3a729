"""Time, datagrams, and what is optional."""

import importlib.util
import socket
import threading

import pytest

from clankvox.doctor import machine
from clankvox.doctor.finding import Doubtful, Skipped, Wrong


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


@pytest.fixture
def stun():
    """A server on loopback that answers as told; gives its address and the requests that it got."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
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
        host, port = server.getsockname()
        yield f"{host}:{port}", requests, answer
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
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


@pytest.mark.parametrize("server", [None, ""])
def test_nothing_is_sent_to_the_internet_unless_asked_for(server, monkeypatch):
    monkeypatch.setattr(socket, "socket", None)
    with pytest.raises(Skipped):
        machine.udp_egress(server)


def test_a_host_that_cannot_be_had_is_wrong_and_not_named():
    with pytest.raises(Wrong, match=r"^UDP cannot leave: ") as found:
        machine.udp_egress("127.0.0.1:not-a-port")
    assert "127" not in str(found.value)


def test_yt_dlp_is_optional(monkeypatch):
    assert machine.page_resolver() == "yt-dlp is installed"
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(Skipped) as skipped:
        machine.page_resolver()
    assert "clankvox[youtube]" in skipped.value.advice
