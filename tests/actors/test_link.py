"""The link: handshake deadline, IP discovery, keepalive, and news that comes too late."""

from itertools import pairwise

import pytest

from clankvox.actors.dave import REPLAY_S
from clankvox.actors.farewells import FAREWELL_LIMIT_S, FAREWELL_S, MOST_NEWS, READ_OUT_LIMIT_S, READ_OUT_S
from clankvox.messages.connection import SendGatewayBinary, SendGatewayJson, SendSpeaking
from clankvox.protocol.resumption import KEPT_FRAMES
from clankvox.protocol.voice_gateway import Ignored
from clankvox.wire.gateway_ops import Op
from clankvox.wire.rtp import is_rtp, parse_header
from clankvox.wire.seq import seq_delta
from clankvox.wire.transport_crypto import TransportMode
from tests.support.factory import Call, short
from tests.support.fake_server import SSRC

STANDING = [Op.VIDEO, Op.SPEAKING]
"""Said again behind every resume: nobody would ask for them."""


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
    call.server.lost(4006)
    call.drain()
    assert (call.web_socket.attempt, call.udp.attempt, call.pipeline.sealer) == (None, None, None)


# --- resume ---


def speaking():
    """A call in which we speak and hear user 42."""
    call = Call().establish(42)
    call.line(type="subscribe_user", userId="42", captureId="k1")
    call.audio("p1", ms=8_000)
    call.drain()
    call.pipeline.packet(42)
    call.run(0.2)
    call.events()
    call.server.new_ops()
    return call


def test_a_lost_socket_is_replaced_at_once_and_the_session_resumed_where_it_was():
    call = speaking()
    call.server.reset()
    call.drain()
    assert len(call.web_socket.urls) == 2
    assert call.web_socket.urls[0] == call.web_socket.urls[1]
    call.server.resumed()
    (body,) = [body for op, body in call.server.json_sent() if op == Op.RESUME]
    assert body == {
        "server_id": "10",
        "channel_id": "20",
        "session_id": "sess",
        "token": "tok",
        "seq_ack": body["seq_ack"],
    }
    assert body["seq_ack"] == call.server.last_number


def test_a_resume_keeps_udp_keys_counters_group_and_pipeline():
    call = speaking()
    kept = (call.udp.attempt, call.pipeline.attempt, call.pipeline.sealer, call.engine, call.cipher.generation)
    datagrams = len(call.udp.sent)
    call.server.reset()
    call.run(0.5)
    call.server.resumed()
    call.run(0.5)
    assert (
        call.udp.attempt, call.pipeline.attempt, call.pipeline.sealer, call.engine, call.cipher.generation
    ) == kept  # fmt: skip
    assert len(call.engines) == 1
    packets = [datagram for datagram in call.udp.sent[datagrams:] if is_rtp(datagram)]
    assert len(packets) == 50
    numbers = [parse_header(packet).sequence for packet in packets]
    assert [seq_delta(after, before) for before, after in pairwise(numbers)] == [1] * 49
    nonces = [packet[-4:] for packet in packets]
    assert len(set(nonces)) == 50
    call.left()
    assert call.leaks == []


def test_who_is_heard_is_heard_on_while_the_socket_is_gone():
    call = speaking()
    call.server.reset()
    call.drain()
    call.pipeline.packet(42)
    call.drain()
    assert [frame_format for frame_format, _ in call.frames() if frame_format == 1] == [1]
    call.server.resumed()
    assert not {"user_audio_end", "speaking_end"} & {event["type"] for event in call.events()}


def test_what_is_said_meanwhile_is_said_in_order_behind_the_servers_word():
    call = speaking()
    call.server.reset()
    call.drain()
    attempt = call.udp.attempt
    for number in range(3):
        call.told(
            SendGatewayJson(attempt=attempt, op=Op.TRANSITION_READY, payload={"transition_id": number}), call.connection
        )
        call.told(SendGatewayBinary(attempt=attempt, op=Op.MLS_KEY_PACKAGE, payload=bytes([number])), call.connection)
    call.server.new_ops()
    call.server.opened()
    call.server.hello()
    call.drain()
    assert call.server.new_ops() == [Op.RESUME]
    call.server.text(Op.RESUMED)
    call.drain()
    assert call.server.new_ops() == [*[Op.TRANSITION_READY, Op.MLS_KEY_PACKAGE] * 3, *STANDING]
    assert [payload for op, payload in call.server.binary_sent() if op == Op.MLS_KEY_PACKAGE][-3:] == [
        b"\0",
        b"\1",
        b"\2",
    ]


def test_more_than_can_be_kept_is_a_lost_link():
    call = speaking()
    call.server.reset()
    call.drain()
    attempt = call.udp.attempt
    for _ in range(KEPT_FRAMES + 1):
        call.told(
            SendGatewayJson(attempt=attempt, op=Op.TRANSITION_READY, payload={"transition_id": 1}), call.connection
        )
    assert "transport_state voice reconnecting resume_overflow" in short(call.events())
    assert call.udp.attempt is None


def test_what_the_server_tells_again_is_not_done_again():
    call = speaking()
    transitions = call.server.last_number
    call.server.commit(3)
    call.drain()
    call.server.new_ops()
    call.server.reset()
    call.drain()
    call.server.resumed()
    call.server.replay_from(transitions)
    call.server.commit(3)
    call.server.execute_transition(3)
    call.drain()
    assert call.server.new_ops() == [Op.RESUME, *STANDING]
    assert call.state("dave") == "established"
    assert call.connection._gateway.ignored[Ignored.REPEATED] == 1


def test_udp_is_kept_alive_while_the_socket_is_gone():
    call = speaking()
    call.server.reset()
    before = len([datagram for datagram in call.udp.sent if len(datagram) == 8])
    call.run(9.0)
    assert len([datagram for datagram in call.udp.sent if len(datagram) == 8]) > before


def test_a_socket_that_was_replaced_is_not_heard_any_more():
    call = speaking()
    old = call.server.attempt
    call.server.reset()
    call.drain()
    call.server.lost(4017, attempt=old)
    call.server.text(Op.CLIENTS_CONNECT, {"user_ids": ["5"]}, attempt=old)
    call.drain()
    assert call.state("connection") == "reconnecting"
    call.server.resumed()
    assert call.state("connection") == "ready"


def test_a_resumed_socket_can_be_lost_again_and_beats_by_its_own_hello():
    call = speaking()
    for _ in range(2):
        call.server.reset()
        call.drain()
        call.server.resumed()
    call.run(10.0)
    beats = [body for op, body in call.server.json_sent() if op == Op.HEARTBEAT]
    assert beats[-1]["seq_ack"] == call.server.last_number
    assert call.state("connection") == "ready"


def test_resumes_have_one_budget_so_that_a_server_that_loses_us_again_and_again_is_left():
    call = speaking()
    for _ in range(3):
        call.server.reset()
        call.drain()
        call.server.resumed()
    assert call.udp.attempt is not None
    call.server.reset()
    call.drain()
    assert call.udp.attempt is None


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


def test_news_of_the_old_sessions_sound_never_come_before_the_new_one_has_identified():
    call = Call().connect()
    call.server.lost(4006)
    call.run(5.0)
    call.server.opened()
    call.drain()
    before = len(call.server.json_sent())
    call.told(SendSpeaking(ssrc=SSRC, flags=1), call.connection)
    assert call.server.json_sent()[before:] == []


@pytest.mark.parametrize("grouped", [False, True])
def test_a_key_package_that_may_have_gone_down_with_the_socket_is_said_again_while_there_is_no_group(grouped):
    """Lost, it would keep us out of every group to come; said again in a group, it would change that for nothing."""
    call = Call()
    if grouped:
        call.establish(42)
    else:
        call.connect(dave_version=1)
        call.server.external_sender()
        call.drain()
    packages = [frame for frame in call.server.binary_sent() if frame[0] == Op.MLS_KEY_PACKAGE]
    call.server.new_ops()
    call.server.reset()
    call.drain()
    call.server.resumed()
    assert Op.MLS_KEY_PACKAGE not in call.server.new_ops(), "what the server says again comes first"
    call.run(REPLAY_S)
    assert call.server.new_ops().count(Op.MLS_KEY_PACKAGE) == (not grouped)
    again = [frame for frame in call.server.binary_sent() if frame[0] == Op.MLS_KEY_PACKAGE][len(packages) :]
    assert again == ([] if grouped else packages[-1:])


def test_what_holds_until_it_is_said_otherwise_is_said_again_as_it_was_said_last():
    call = speaking()
    before = {op: body for op, body in call.server.json_sent() if op in STANDING}
    assert before[Op.SPEAKING]["speaking"] == 1
    call.server.reset()
    call.drain()
    call.server.resumed()
    assert call.server.json_sent()[-2:] == [*before.items()]


# --- farewells ---


def leaving(*, waits=False):
    """User 42 is captured, amid a word, and leaves; `waits` for packets of his that have no key yet."""
    call = speaking()
    call.pipeline.hint(4_242, 42)
    if waits:
        call.pipeline.waiting.add(42)
    call.pipeline.packet(42)
    call.server.member_gone(42)
    call.drain()
    return call


def left(call):
    return [line for line in short(call.events()) if line.startswith(("client", "user_audio_end", "speaking_end"))]


GONE = ["speaking_end 42 k1", "client_disconnect 42", "user_audio_end 42 k1"]


def test_a_user_who_left_is_heard_to_the_end_of_what_overtook_him():
    call = leaving()
    call.frames()
    call.run(FAREWELL_S / 2)
    call.pipeline.packet(42)
    assert [frame_format for frame_format, _ in call.frames()] == [1]
    call.run(FAREWELL_S)
    assert sorted(left(call)) == sorted(GONE)
    assert call.pipeline.hints == {}


def test_words_whose_key_is_on_its_way_are_waited_for_but_not_for_ever():
    call = leaving(waits=True)
    call.run(FAREWELL_LIMIT_S / 2)
    assert left(call) == []
    call.pipeline.waiting.clear()
    call.run(FAREWELL_S)
    assert sorted(left(call)) == sorted(GONE)
    call = leaving(waits=True)
    call.run(FAREWELL_LIMIT_S + FAREWELL_S)
    assert sorted(left(call)) == sorted(GONE)


def test_what_takes_a_leavers_key_away_waits_until_his_words_were_read_and_keeps_its_order():
    call = leaving()
    call.pipeline.unread = True
    call.server.new_ops()
    call.server.members(43)
    call.server.proposals()
    call.server.commit(3)
    call.run(READ_OUT_S)
    assert call.server.new_ops() == []
    call.pipeline.unread = False
    call.run(READ_OUT_S)
    assert call.server.new_ops() == [Op.MLS_COMMIT_WELCOME, Op.TRANSITION_READY]
    assert call.engine.recognized == {7, 43}


@pytest.mark.parametrize("many", [False, True])
def test_nothing_waits_for_ever_for_a_socket_that_is_not_read(many):
    call = leaving()
    call.pipeline.unread = True
    call.server.new_ops()
    for _ in range(MOST_NEWS if many else 1):
        call.server.proposals()
    call.drain() if many else call.run(READ_OUT_LIMIT_S + READ_OUT_S)
    assert set(call.server.new_ops()) == {Op.MLS_COMMIT_WELCOME}


def test_who_comes_back_meanwhile_begins_anew_at_once_and_is_not_forgotten_later():
    call = leaving(waits=True)
    call.server.members(42)
    call.drain()
    assert sorted(left(call)) == sorted(GONE)
    call.pipeline.packet(42)
    call.run(FAREWELL_LIMIT_S)
    assert left(call) == []


def test_a_second_leaving_is_the_first_and_the_end_of_the_session_ends_all_farewells():
    call = leaving(waits=True)
    call.server.member_gone(42)
    call.run(FAREWELL_S)
    call.server.lost(4006)
    call.drain()
    assert sorted(left(call)) == sorted(GONE)
    call.run(FAREWELL_LIMIT_S)
    assert left(call) == []
