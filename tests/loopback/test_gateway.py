"""The voice gateway as a client meets it, over real sockets."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clankvox.loopback.discord import LoopbackDiscord
from clankvox.wire import gateway_ops as ops
from clankvox.wire.gateway_ops import Op
from tests.support.raw_client import RawClient


@pytest.fixture(scope="module")
def discord():
    with LoopbackDiscord(tls=False, heartbeat_interval_ms=30_000, channels={50: 60}) as running:
        yield running


def of(kind, user):
    return lambda happening: happening["type"] == kind and happening.get("userId") == str(user)


def closed_after(discord, *messages, version=9):
    client = RawClient(discord, 1, version=version, join=False)
    for message in messages:
        client.ws.send(message)
    return client.wait_closed()


def test_hello_names_version_and_interval(discord):
    with RawClient(discord, 1, version=8, join=False) as client:
        assert client.wait(Op.HELLO) == {"v": 8, "heartbeat_interval": 30_000}


def test_ready_offers_both_modes_gcm_first_and_mirrors_streams_with_ssrcs(discord):
    with RawClient(discord, 1, join=False) as client:
        offered = tuple(ops.StreamDescription(type="screen", rid=rid, quality=100) for rid in ("100", "50"))
        client.identify(streams=offered)
        ready = client.wait(Op.READY)
        assert ready["modes"] == ["aead_aes256_gcm_rtpsize", "aead_xchacha20_poly1305_rtpsize"]
        first, second = ready["streams"]
        ssrc = ready["ssrc"]
        assert (first["ssrc"], first["rtx_ssrc"], second["ssrc"], second["rtx_ssrc"]) == tuple(
            range(ssrc + 1, ssrc + 5)
        )
        assert first == {
            "type": "video",
            "rid": "100",
            "quality": 100,
            "active": False,
            "ssrc": ssrc + 1,
            "rtx_ssrc": ssrc + 2,
        }


def test_op_4_has_all_that_clients_read_and_op_25_follows_it(discord):
    with RawClient(discord, 1, version=8) as client:
        description = client.wait(Op.SESSION_DESCRIPTION)
        client.wait(Op.MLS_EXTERNAL_SENDER)
        assert len(description["secret_key"]) == 32
        assert {"mode", "dave_protocol_version", "audio_codec", "video_codec", "media_session_id"} < description.keys()
        order = [op for op, _ in client.seen]
        assert order.index(Op.SESSION_DESCRIPTION) < order.index(Op.MLS_EXTERNAL_SENDER)


def test_a_heartbeat_is_acknowledged_with_its_exact_nonce(discord):
    with RawClient(discord, 1, join=False) as client:
        client.send(Op.HEARTBEAT, ops.Heartbeat(t=1_790_000_000_123, seq_ack=-1))
        assert client.wait(Op.HEARTBEAT_ACK) == {"t": 1_790_000_000_123}


def test_numbers_begin_at_1_and_json_and_binary_share_them(discord):
    with RawClient(discord, 1) as client:
        client.wait(Op.MLS_EXTERNAL_SENDER)
        assert client.last_seq == 3  # ops 2, 4 and 25; Hello has none


def test_a_joiner_hears_of_the_others_before_media_and_of_who_speaks_after_op_4(discord):
    with RawClient(discord, 1) as first:
        first.speak()
        discord.wait_for(of("speaking", 1))
        with RawClient(discord, 2) as second:
            speaking = second.wait(Op.SPEAKING)
            assert speaking == {"speaking": 1, "ssrc": first.ssrc, "user_id": "1"}
            order = [op for op, _ in second.seen]
            assert order.index(Op.READY) < order.index(Op.CLIENTS_CONNECT) < order.index(Op.SESSION_DESCRIPTION)
            assert order.index(Op.MLS_EXTERNAL_SENDER) < order.index(Op.SPEAKING)
            assert second.wait(Op.CLIENTS_CONNECT) == {"user_ids": ["1"]}
            assert first.wait(Op.CLIENTS_CONNECT) == {"user_ids": ["2"]}
        assert first.wait(Op.CLIENT_DISCONNECT) == {"user_id": "2"}


def test_rooms_are_apart(discord):
    with RawClient(discord, 1, server=71) as first, RawClient(discord, 2, server=72) as second:
        second.wait(Op.MLS_EXTERNAL_SENDER)
        rooms = {room["serverId"]: room["members"] for room in discord.command({"type": "stats"})["rooms"]}
        assert rooms["71"] == ["1"]
        assert rooms["72"] == ["2"]
        assert Op.CLIENTS_CONNECT not in [op for op, _ in first.seen + second.seen]


def test_a_version_8_client_is_in_the_channel_that_was_named_for_its_server(discord):
    with (
        RawClient(discord, 1, server=50, channel=60, version=8) as first,
        RawClient(discord, 2, server=50, channel=60) as second,
    ):
        first.wait_ready()
        second.wait_ready()
        first.speak()
        first.send_frame(b"\xfcword")
        assert second.hear(1)[0][2] == b"\xfcword"


def test_a_version_8_client_that_came_first_is_in_the_channel_that_the_next_one_tells(discord):
    with (
        RawClient(discord, 1, server=51, channel=61, version=8) as first,
        RawClient(discord, 2, server=51, channel=61) as second,
    ):
        first.wait_ready()
        second.wait_ready()
        first.speak()
        first.send_frame(b"\xfcword")
        assert second.hear(1)[0][2] == b"\xfcword"


def test_the_same_user_again_retires_the_old_session_first(discord):
    with RawClient(discord, 9) as witness:
        old = RawClient(discord, 1)
        with RawClient(discord, 1):
            assert old.wait_closed() == 4006
            witness.wait(Op.CLIENT_DISCONNECT)
            witness.wait_until(lambda: [op for op, _ in witness.seen].count(Op.CLIENTS_CONNECT) == 2)
            about = [op for op, _ in witness.seen if op in (Op.CLIENTS_CONNECT, Op.CLIENT_DISCONNECT)]
            assert about == [Op.CLIENTS_CONNECT, Op.CLIENT_DISCONNECT, Op.CLIENTS_CONNECT]


def test_video_is_announced_with_its_user(discord):
    with RawClient(discord, 1) as first, RawClient(discord, 2) as second:
        first.send(Op.VIDEO, ops.Video(audio_ssrc=first.ssrc, video_ssrc=first.ssrc + 1, rtx_ssrc=first.ssrc + 2))
        assert second.wait(Op.VIDEO) == {"audio_ssrc": first.ssrc, "video_ssrc": first.ssrc + 1, "user_id": "1"}


def test_a_sender_hears_which_layers_are_wanted(discord):
    with RawClient(discord, 1) as first, RawClient(discord, 2) as second:
        second.send(Op.MEDIA_SINK_WANTS, ops.MediaSinkWants(any=100, wants={first.ssrc + 1: 0}))
        assert first.wait(Op.MEDIA_SINK_WANTS) == {str(first.ssrc + 1): 0}


def test_op_16_is_answered_and_unknown_opcodes_are_ignored(discord):
    with RawClient(discord, 1) as client:
        client.ws.send('{"op":99,"d":{"x":1}}')
        client.send(Op.BACKEND_VERSION, ops.BackendVersion())
        assert client.wait(Op.BACKEND_VERSION).keys() == {"voice", "rtc_worker"}


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        (['{"op":5,"d":{"speaking":1,"ssrc":1,"delay":0}}'], 4003),
        (['{"op":2,"d":{}}'], 4001),
        (["nonsense"], 4002),
        (['{"op":0,"d":{"server_id":7}}'], 4002),
        (['{"op":0,"d":{"server_id":"5","user_id":"1","session_id":"s","token":"t"}}'], 4020),
        (['{"op":0,"d":{"server_id":"x","channel_id":"6","user_id":"1","session_id":"s","token":"t"}}'], 4011),
        (['{"op":0,"d":{"server_id":"5","channel_id":"6","user_id":"1","session_id":"","token":"t"}}'], 4006),
        (['{"op":0,"d":{"server_id":"5","channel_id":"6","user_id":"1","session_id":"s","token":"t"}}'] * 2, 4005),
        (['{"op":7,"d":{"server_id":"5","channel_id":"6","session_id":"none","token":"t","seq_ack":1}}'], 4006),
    ],
)
def test_each_mistake_has_its_close_code(discord, messages, code):
    assert closed_after(discord, *messages) == code


@pytest.mark.parametrize(
    ("select", "code"),
    [
        ('{"op":1,"d":{"protocol":"webrtc","data":"sdp"}}', 4012),
        ('{"op":1,"d":{"protocol":"udp","data":{"address":"1.2.3.4","port":5,"mode":"xsalsa20_poly1305"}}}', 4016),
    ],
)
def test_other_protocols_and_modes_are_refused(discord, select, code):
    client = RawClient(discord, 1, join=False)
    client.identify()
    client.ws.send(select)
    assert client.wait_closed() == code


def test_other_gateway_versions_are_refused(discord):
    assert closed_after(discord, version=3) == 4012


def test_any_token_will_do_unless_some_are_listed():
    with LoopbackDiscord(tls=False, tokens=frozenset({"good"})) as discord:
        refused = RawClient(discord, 1, join=False)
        refused.identify()
        assert refused.wait_closed() == 4004
        accepted = RawClient(discord, 1, join=False)
        accepted.identify(token="good")
        accepted.wait(Op.READY)


def test_clients_without_dave_are_refused_where_it_is_required():
    with LoopbackDiscord(tls=False, require_dave=True) as discord:
        refused = RawClient(discord, 1, join=False)
        refused.identify(max_dave_protocol_version=0)
        assert refused.wait_closed() == 4017


def test_without_dave_every_client_stays_plain():
    with LoopbackDiscord(tls=False, dave=False) as discord, RawClient(discord, 1) as client:
        assert client.wait(Op.SESSION_DESCRIPTION)["dave_protocol_version"] == 0


def test_a_silent_client_is_cut_off_and_its_session_ends():
    with LoopbackDiscord(tls=False, heartbeat_interval_ms=50) as discord:
        client = RawClient(discord, 1)
        assert client.wait_closed() == 4009
        discord.wait_for(of("left", 1))


def test_a_resume_replays_what_was_missed_after_op_9(discord):
    with RawClient(discord, 21, server=8) as witness:
        client = RawClient(discord, 22, server=8)
        client.wait_ready()
        witness.wait_ready()
        mark, seen = len(discord.happenings), len(client.seen)
        discord.command({"type": "close", "userId": "22", "code": 4015})
        assert client.wait_closed() == 4015
        discord.wait_for(of("lost", 22), since=mark)
        witness.speak()
        discord.wait_for(of("speaking", 21), since=mark)
        client.open()
        client.resume()
        client.wait(Op.SPEAKING, since=seen)
        assert [op for op, _ in client.seen[seen:]] == [Op.HELLO, Op.RESUMED, Op.SPEAKING]
        assert discord.wait_for(of("resumed", 22))["replayed"] == 1
        assert Op.CLIENT_DISCONNECT not in [op for op, _ in witness.seen]
        witness.send_frame(b"\xfcafter")
        assert client.hear(1)[0][2] == b"\xfcafter"
        client.close()


def test_a_resume_with_another_token_or_beyond_the_buffer_is_refused(discord):
    client = RawClient(discord, 23, server=8)
    discord.command({"type": "close", "userId": "23", "code": 4015})
    client.wait_closed()
    for changes in ({"token": "other"}, {"seq_ack": 40_000}):
        client.open()
        client.resume(**changes)
        assert client.wait_closed() == 4006


@pytest.mark.parametrize("code", [4006, 4014, 4022])
def test_other_close_codes_end_the_session(discord, code):
    with RawClient(discord, 24, server=8) as witness:
        client = RawClient(discord, 25, server=8)
        discord.command({"type": "close", "userId": "25", "code": code})
        assert client.wait_closed() == code
        witness.wait(Op.CLIENT_DISCONNECT)
        client.open()
        client.resume()
        assert client.wait_closed() == 4006


def test_a_connection_can_be_cut_without_a_close_frame(discord):
    client = RawClient(discord, 26, server=8)
    discord.command({"type": "close", "userId": "26", "code": 1006})
    assert client.wait_closed() == 1006


def test_a_lost_session_that_nobody_resumes_leaves():
    with LoopbackDiscord(tls=False, resume_window_s=0.05) as discord:
        with RawClient(discord, 1):
            discord.command({"type": "close", "userId": "1", "code": 4015})
            assert discord.wait_for(of("left", 1))["reason"] == "timed_out"
        assert discord.command({"type": "stats"})["rooms"] == []


def test_a_stalled_client_gets_everything_afterwards_in_order(discord):
    with RawClient(discord, 31, server=9) as client:
        discord.command({"type": "stall", "userId": "31", "ms": 300})
        seen = len(client.seen)
        for nonce in range(20):
            client.send(Op.HEARTBEAT, ops.Heartbeat(t=nonce))
        client.wait(Op.HEARTBEAT_ACK, since=seen, predicate=lambda ack: ack["t"] == 19)
        nonces = [data["t"] for op, data in client.seen[seen:] if op == Op.HEARTBEAT_ACK]
        assert nonces == list(range(20))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(op=st.integers(0, 40), data=_JSON, binary=st.binary(max_size=80), identified=st.booleans())
def test_no_message_of_a_client_disturbs_another(discord, op, data, binary, identified):
    client = RawClient(discord, 41, server=10, join=False)
    if identified:
        client.identify()
        client.wait(Op.READY)
    client.ws.send(binary)
    client.ws.send(ops.encode_json(op, data))
    client.close()
    with RawClient(discord, 42, server=11, join=False) as other:
        other.send(Op.HEARTBEAT, ops.Heartbeat(t=1))
        assert other.wait(Op.HEARTBEAT_ACK) == {"t": 1}


@settings(max_examples=40, deadline=None)
@given(binary=st.lists(st.tuples(st.sampled_from([23, 26, 27, 28, 29, 31, 200]), st.binary(max_size=200)), max_size=5))
def test_no_dave_message_of_a_member_disturbs_the_gateway(discord, binary):
    with RawClient(discord, 43, server=12) as client:
        for op, payload in binary:
            client.ws.send(ops.encode_client_binary(op, payload))
        client.send(Op.HEARTBEAT, ops.Heartbeat(t=5))
        assert client.wait(Op.HEARTBEAT_ACK) == {"t": 5}
