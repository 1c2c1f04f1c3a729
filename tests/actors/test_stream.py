import pytest

from clankvox.actors.stream import StreamActor
from clankvox.ids import Role, connection_address
from clankvox.messages.connection import Join
from clankvox.wire.gateway_ops import Op
from tests.support.factory import Call, short

ENDPOINT = "stream.example.com:443"
ROLES = {"stream_watch": Role.STREAM_WATCH, "stream_publish": Role.STREAM_PUBLISH}


def connect(call, role, **more):
    fields = {
        "endpoint": ENDPOINT,
        "token": "tok",
        "serverId": "900",
        "sessionId": "sess",
        "userId": "7",
        "daveChannelId": "899",
    }
    call.line(type=f"{role}_connect", **(fields | more))
    call.drain()


def ready(role, dave_version=0, **more):
    call = Call()
    connect(call, role, **more)
    call.roles[ROLES[role]].server.handshake(dave_version)
    return call


@pytest.fixture(params=ROLES)
def role(request):
    return request.param


def test_a_stream_connects_with_its_own_socket_and_never_touches_the_call(role):
    call = Call().establish()
    connect(call, role)
    call.roles[ROLES[role]].server.handshake(1)
    assert short(call.events()) == [
        f"transport_state {role} connecting",
        f"transport_state {role} ready",
        f"dave_state {role} negotiating 1",
    ]
    assert call.roles[ROLES[role]].web_socket.urls == [f"wss://{ENDPOINT}/?v=9"]
    assert (call.state("connection"), call.state("dave")) == ("ready", "established")
    assert len(call.web_socket.urls) == 1


def test_it_identifies_with_the_session_of_the_call_and_asks_for_no_video_of_its_own(role):
    call = ready(role)
    sent = dict(call.roles[ROLES[role]].server.json_sent())
    assert sent[Op.IDENTIFY]["server_id"] == "900"
    assert (sent[Op.IDENTIFY]["channel_id"], sent[Op.IDENTIFY]["session_id"]) == ("899", "sess")
    assert sent[Op.VIDEO] == {"audio_ssrc": 1000, "video_ssrc": 0, "rtx_ssrc": 0, "streams": []}


def test_a_channel_that_the_gateway_named_is_told_to_the_server(role):
    call = ready(role, rtcChannelId="901")
    assert dict(call.roles[ROLES[role]].server.json_sent())[Op.IDENTIFY]["channel_id"] == "901"


def test_disconnecting_clears_the_encryption_and_then_the_transport(role):
    call = ready(role)
    call.events()
    call.line(type=f"{role}_disconnect", reason="enough")
    call.drain()
    assert short(call.events()) == [f"dave_state {role} cleared", f"transport_state {role} disconnected enough"]
    assert call.roles[ROLES[role]].web_socket.closed_with == [1000]


def test_disconnecting_nothing_is_answered_all_the_same(role):
    call = Call()
    for _ in range(2):
        call.line(type=f"{role}_disconnect")
        call.drain()
        expected = [f"dave_state {role} cleared", f"transport_state {role} disconnected {role}_disconnect"]
        assert short(call.events()) == expected


def test_a_new_connection_replaces_the_old_one(role):
    call = ready(role)
    call.events()
    connect(call, role, token="other")
    assert short(call.events()) == [f"dave_state {role} cleared", f"transport_state {role} connecting"]
    call.roles[ROLES[role]].server.handshake(0)
    assert short(call.events()) == [f"transport_state {role} ready", f"dave_state {role} disabled 0"]


def test_a_connection_that_fails_is_an_error_of_its_role(role):
    call = Call()
    connect(call, role)
    call.events()
    call.roles[ROLES[role]].server.lost(4006)
    call.drain()
    assert short(call.events()) == [
        f"error {role}_connect_failed {role}",
        f"transport_state {role} failed session_no_longer_valid",
    ]
    assert call.state(f"{role} connection") == "closed"


def test_a_session_that_the_server_ended_is_begun_anew_with_the_same_credentials(role):
    call = ready(role, 1)
    parts = call.roles[ROLES[role]]
    call.events()
    parts.server.lost(4006)
    call.drain()
    parts.server.handshake(1)
    assert short(call.events()) == [f"transport_state {role} connecting", f"transport_state {role} ready"]
    identified = [payload for op, payload in parts.server.json_sent() if op == Op.IDENTIFY]
    assert len(identified) == 2
    assert identified[0] == identified[1]


def test_a_connection_whose_credentials_serve_no_longer_is_over_without_an_error(role):
    call = ready(role)
    parts = call.roles[ROLES[role]]
    for _ in range(3):
        parts.server.lost(4006)
        call.drain()
    assert short(call.events())[-1] == f"transport_state {role} disconnected session_no_longer_valid"
    assert not any("error" in event for event in short(call.events()))
    assert len(parts.web_socket.urls) == 3
    call.run(60.0)
    assert len(parts.web_socket.urls) == 3


def modes_selected(parts):
    return [payload["data"]["mode"] for op, payload in parts.server.json_sent() if op == Op.SELECT_PROTOCOL]


def test_a_server_that_refuses_the_encryption_is_offered_the_other_one_once_for_each_order(role):
    call = Call()
    parts = call.roles[ROLES[role]]
    for order in range(2):
        connect(call, role)
        for _ in range(2):
            parts.server.before_session()
            parts.server.lost(4016)
            call.drain()
        first, second = modes_selected(parts)[2 * order :]
        assert first != second
        assert call.state(f"{role} connection") == "closed"
        assert short(call.events())[-1] == f"transport_state {role} failed unknown_encryption_mode"
    connect(call, role)
    parts.server.handshake(0)
    assert call.state(f"{role} connection") == "ready"
    assert modes_selected(parts)[-1] == first


@pytest.mark.parametrize("code", [4004, 4014, 4017, 4021, 4022])
def test_a_stream_that_the_server_refuses_or_that_is_over_is_not_asked_for_again(role, code):
    call = ready(role)
    parts = call.roles[ROLES[role]]
    parts.server.lost(code)
    call.run(60.0)
    assert short(call.events())[-1].startswith(f"transport_state {role} disconnected")
    assert len(parts.web_socket.urls) == 1


def test_a_session_that_can_be_resumed_is_and_the_parent_hears_nothing_of_it(role):
    call = ready(role, 1)
    parts = call.roles[ROLES[role]]
    call.events()
    parts.server.lost(4015)
    call.drain()
    assert call.state(f"{role} connection") == "reconnecting"
    parts.server.resumed()
    assert call.state(f"{role} connection") == "ready"
    assert call.events() == []
    assert [op for op, _ in parts.server.json_sent()].count(Op.IDENTIFY) == 1
    assert parts.udp.attempt is not None


def test_a_session_that_cannot_be_resumed_is_begun_anew_and_refused_credentials_are_the_end(role):
    call = ready(role, 1)
    parts = call.roles[ROLES[role]]
    call.events()
    parts.server.lost(4015)
    call.drain()
    parts.server.lost(4006)
    call.drain()
    assert short(call.events()) == [f"transport_state {role} connecting"]
    parts.server.lost(4004)
    call.run(60.0)
    assert short(call.events()) == [
        f"dave_state {role} cleared",
        f"transport_state {role} disconnected authentication_failed",
    ]
    connect(call, role)
    assert short(call.events()) == [f"transport_state {role} connecting"]


def lose_until_no_resume_is_left(call, parts):
    """As where the network is gone: every socket is refused at once."""
    parts.server.lost(None)
    for _ in range(3):
        call.run(2.5)
        parts.server.lost(None)
    call.drain()


def test_a_session_that_no_resume_brings_back_is_begun_anew_once_the_server_can_be_reached(role):
    call = ready(role, 1)
    parts = call.roles[ROLES[role]]
    call.events()
    lose_until_no_resume_is_left(call, parts)
    assert (len(parts.web_socket.urls), call.state(f"{role} connection")) == (4, "reconnecting")
    call.run(1.0)
    assert short(call.events()) == [f"transport_state {role} connecting"]
    parts.server.lost(None)
    call.run(2.0)
    parts.server.handshake(1)
    assert short(call.events()) == [f"transport_state {role} connecting", f"transport_state {role} ready"]
    assert [op for op, _ in parts.server.json_sent()].count(Op.IDENTIFY) == 2


def test_a_server_that_cannot_be_reached_for_long_ends_its_stream(role):
    call = ready(role, 1)
    parts = call.roles[ROLES[role]]
    lose_until_no_resume_is_left(call, parts)
    for _ in range(2):
        call.run(2.0)
        parts.server.lost(None)
    call.run(60.0)
    assert short(call.events())[-1].startswith(f"transport_state {role} disconnected")
    assert len(parts.web_socket.urls) == 6


@pytest.mark.parametrize("waited_s", [0.1, 1.0])
@pytest.mark.parametrize("order", ["connect", "disconnect", "destroy"])
def test_orders_are_carried_out_while_a_new_session_is_waited_for_or_made(role, order, waited_s):
    call = ready(role, 1)
    parts = call.roles[ROLES[role]]
    lose_until_no_resume_is_left(call, parts)
    call.run(waited_s)
    before = len(parts.web_socket.urls)
    assert call.state(f"{role} connection") == ("reconnecting" if before == 4 else "connecting")
    call.events()
    if order == "connect":
        connect(call, role, token="tok2")
    else:
        call.line(type=f"{role}_{order}" if order == "disconnect" else order)
    call.run(60.0)
    assert len(parts.web_socket.urls) == before + (order == "connect")
    assert short(call.events()).count(f"dave_state {role} cleared") == 1


@pytest.mark.parametrize("order", ["connect", "disconnect", "destroy"])
def test_orders_are_carried_out_while_a_session_is_being_resumed(role, order):
    call = ready(role, 1)
    parts = call.roles[ROLES[role]]
    parts.server.lost(4015)
    call.drain()
    call.events()
    opened = len(parts.web_socket.urls)
    if order == "connect":
        connect(call, role)
    else:
        call.line(type="destroy" if order == "destroy" else f"{role}_disconnect")
        call.drain()
    cleared = f"dave_state {role} cleared"
    ends = {
        "connect": [cleared, f"transport_state {role} connecting"],
        "disconnect": [cleared, f"transport_state {role} disconnected {role}_disconnect"],
        "destroy": [cleared],
    }
    assert short(call.events()) == ends[order]
    call.run(30.0)
    assert len(parts.web_socket.urls) == opened + (order == "connect")


def test_an_endpoint_that_is_not_allowed_fails_at_once(role):
    call = Call()
    connect(call, role, endpoint="http://example.com/?token=1")
    assert short(call.events()) == [
        f"transport_state {role} connecting",
        f"error {role}_connect_failed {role}",
        f"transport_state {role} failed endpoint_not_allowed",
    ]
    connect(call, role)
    assert short(call.events()) == [f"transport_state {role} connecting"]


def test_orders_that_come_during_a_reset_wait_for_it(role):
    call = ready(role)
    call.events()
    for _ in range(2):
        call.line(type=f"{role}_disconnect", reason="twice")
    call.drain()
    assert len(call.events()) == 4


def test_destroy_closes_the_stream_with_its_own_close_frame(role):
    call = ready(role)
    call.line(type="destroy")
    call.drain()
    assert call.exit_codes == [0]
    assert call.roles[ROLES[role]].web_socket.closed_with == [1000]
    assert call.state(f"{role} connection") == "closed"


def test_an_order_of_the_call_is_a_bug(role):
    call = ready(role)
    actor = call.actor(connection_address(ROLES[role]))
    assert isinstance(actor, StreamActor)
    with pytest.raises(ValueError, match="voice role"):
        actor.handle(Join(connection_id=None, guild_id=1, channel_id=2, self_mute=False))


def test_credentials_show_in_no_repr(role):
    call = ready(role)
    actor = call.actor(connection_address(ROLES[role]))
    assert "tok" not in repr(actor._order) + repr(actor._server)


def test_a_failing_stream_ends_only_itself(role):
    call = Call().establish()
    connect(call, role)
    call.roles[ROLES[role]].server.handshake(1)
    call.events()

    def broken(_message):
        raise RuntimeError("bug")

    actor = call.actor(connection_address(ROLES[role]))
    actor.handle = broken
    call.pump.tolerant = True
    call.roles[ROLES[role]].server.opened()
    call.drain()
    told = short(call.events())
    assert all(role in line for line in told)
    assert told[-1].startswith((f"transport_state {role}", f"dave_state {role}"))
    assert (call.state("connection"), call.state("dave")) == ("ready", "established")
