"""The link: handshake deadline, IP discovery, keepalive, and news that comes too late."""

import pytest

from clankvox.wire.transport_crypto import TransportMode
from tests.support.factory import Call, short


def connecting():
    call = Call()
    call.join()
    call.voice_server()
    call.voice_state()
    call.drain()
    call.events()
    return call


def requests(call):
    return [datagram for datagram in call.udp.sent if len(datagram) == 74]


def test_the_whole_handshake_has_one_deadline():
    call = connecting()
    call.server.opened()
    call.server.hello()
    call.run(14.9)
    assert call.events() == []
    call.run(0.2)
    assert short(call.events())[:2] == [
        "connection_state reconnecting",
        "transport_state voice reconnecting handshake_timeout",
    ]
    assert call.web_socket.attempt is None


def test_a_session_in_time_outlives_the_deadline():
    call = connecting()
    call.server.handshake(0)
    call.events()
    call.run(16.0)
    assert call.state("connection") == "ready"


def test_ip_discovery_is_repeated_every_second_and_succeeds_late():
    call = connecting()
    for step in (call.server.opened, call.server.hello, call.server.ready):
        step()
        call.drain()
    call.run(2.5)
    assert len(requests(call)) == 3
    assert call.udp.remote == ("10.1.2.3", 50_004)
    call.server.discovered()
    call.drain()
    call.server.session(0)
    call.run(3.0)
    assert call.state("connection") == "ready"
    assert len(requests(call)) == 3


def test_ip_discovery_without_an_answer_is_a_lost_link():
    call = connecting()
    for step in (call.server.opened, call.server.hello, call.server.ready):
        step()
        call.drain()
    call.run(5.1)
    assert len(requests(call)) == 5
    assert short(call.events())[1] == "transport_state voice reconnecting ip_discovery_timeout"


def test_a_second_discovery_reply_changes_nothing():
    call = connecting()
    call.server.before_session()
    call.server.discovered()
    call.drain()
    assert [op for op, _ in call.server.json_sent()].count(1) == 1


def test_udp_is_kept_alive_every_five_seconds():
    call = Call().connect()
    before = len(call.udp.sent)
    call.run(10.1)
    pings = [datagram for datagram in call.udp.sent if len(datagram) == 8]
    assert len(call.udp.sent) - before == 2
    assert len(set(pings)) == len(pings) == 3


def test_a_keepalive_that_cannot_be_sent_is_no_failure():
    call = Call().connect()
    call.udp.broken = True
    call.run(6.0)
    assert call.state("connection") == "ready"


def test_without_a_common_mode_the_call_is_over():
    call = connecting()
    call.server.modes = ["xsalsa20_poly1305"]
    call.server.opened()
    call.server.hello()
    call.server.ready()
    call.drain()
    events = short(call.events())
    assert events[0] == "error voice_connect_failed voice"
    assert "transport_state voice disconnected unsupported_encryption_mode" in events
    assert call.web_socket.closed_with == [1002]


@pytest.mark.parametrize("mode", list(TransportMode))
def test_the_session_uses_the_mode_that_the_server_offers(mode):
    call = connecting()
    call.server.modes = [mode.value]
    call.server.handshake(0)
    call.audio("p1")
    call.finish()
    call.run(0.5)
    assert call.server.mode() == mode
    assert len(call.left()) >= 6


def test_timers_of_an_old_attempt_do_nothing():
    call = connecting()
    call.server.opened()
    call.server.lost(4006)
    call.run(1.1)
    urls = len(call.web_socket.urls)
    call.server.handshake(0)
    call.run(9.0)
    call.server.new_ops()
    assert len(call.web_socket.urls) == urls
    assert call.state("connection") == "ready"


def test_speaking_hints_reach_the_receive_path():
    call = Call().connect()
    call.server.text(5, {"user_id": "42", "ssrc": 4242, "speaking": 1})
    call.drain()
    assert call.pipeline.hints == {4242: 42}


def test_garbage_on_the_socket_changes_nothing():
    call = Call().connect()
    for op, data in ((5, "no"), (11, {"user_ids": [7]}), (13, {}), (99, None), (2, {}), (4, {})):
        call.server.text(op, data)
    call.server.binary(27, b"")
    call.server.binary(30, b"\x00")
    call.server.binary(99, b"x")
    call.drain()
    assert call.events() == []
    assert call.state("connection") == "ready"


def test_a_lost_link_closes_every_socket_and_stops_the_receive_path():
    call = Call().connect()
    call.server.lost()
    call.drain()
    assert (call.web_socket.attempt, call.udp.attempt, call.pipeline.sealer) == (None, None, None)


def test_credentials_are_in_no_repr():
    call = Call()
    call.join()
    call.voice_server(token="s3cret")
    call.voice_state("s3ssion")
    call.drain()
    shown = repr(call.connection._server) + repr(call.connection._credentials)
    assert "s3cret" not in shown
    assert "s3ssion" not in shown
    assert "voice.example.com" not in shown
