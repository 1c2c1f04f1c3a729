"""A connection, a group or the picture's actor that fails comes back with what the parent asked of it."""

import pytest

from clankvox.actors import desired_call, video
from clankvox.actors.desired_call import VideoWish
from clankvox.ids import Role, connection_address, dave_address, video_address
from clankvox.messages.connection import SocketLost
from clankvox.messages.video import VideoLinkReady, VideoStateAnnounced
from clankvox.wire.gateway_ops import Video
from tests.actors.test_stream import ROLES, connect
from tests.actors.test_video import SCREEN, announce, asked, looked_at, subscribe, watching
from tests.support.crash import arm, crash
from tests.support.factory import Call, short

VOICE = connection_address(Role.VOICE)
RECONNECTING = ["connection_state reconnecting", "transport_state voice reconnecting internal_error", "adapter_send"]
READY = ["connection_state ready", "transport_state voice ready", "ready", "playback_armed connection_ready"]


def again(call):
    """Let the back-off pass and make the session."""
    call.run(1.1)
    call.server.handshake(1)
    return short(call.events())


# --- connection ---


def test_a_failed_connection_shows_as_a_reconnection_and_makes_a_session_of_its_own():
    call = Call().establish(42)
    before = call.web_socket.attempt
    crash(call, VOICE)
    assert short(call.events()) == [*RECONNECTING, "dave_state voice negotiating 1"]
    assert (call.web_socket.attempt, call.udp.attempt, call.pipeline.sealer) == (None, None, None)
    assert again(call)[:4] == READY
    assert call.web_socket.attempt > before + 1_000
    assert call.web_socket.urls == [call.web_socket.urls[0]] * 2


def test_what_plays_and_listens_goes_on_on_the_new_link_and_never_with_the_old_key():
    call = Call().establish(42)
    call.line(type="subscribe_user", userId="42")
    call.audio("p1", 1_000)
    call.run(0.2)
    old = call.pipeline.sealer
    crash(call, VOICE)
    again(call)
    assert call.pipeline.sealer is not old
    call.server.welcome(0)
    call.run(2.0)
    call.finish("p1")
    call.run(0.5)
    assert [line for line in short(call.events()) if line.startswith("tts")] == ["tts_playback_state p1 drained"]
    assert call.left()
    assert call.leaks == []


def test_a_dead_socket_cannot_speak_for_the_heir():
    call = Call().establish(42)
    dead = call.web_socket.attempt
    crash(call, VOICE)
    again(call)
    for attempt in range(dead + 3):
        call.told(SocketLost(attempt=attempt, close_code=4014, reason="late"), call.connection)
    assert call.events() == []
    assert call.state("connection") == "ready"


@pytest.mark.parametrize("ids", ["c1", None])
def test_a_join_without_credentials_goes_on_waiting_for_them(ids):
    call = Call()
    call.join(ids)
    call.drain()
    call.events()
    crash(call, VOICE)
    assert short(call.events()) == ["adapter_send"]
    call.voice_server()
    call.voice_state()
    call.drain()
    call.server.handshake(0)
    assert call.state("connection") == "ready"


def test_fresh_credentials_end_the_wait_of_the_heir():
    call = Call().connect()
    crash(call, VOICE)
    call.voice_server(endpoint="b.example", token="t2")
    call.drain()
    assert call.web_socket.urls[-1] == "wss://b.example/?v=9"


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        ({"session_id": "s2"}, ("20", "s2")),
        ({"channel_id": "30"}, ("30", "sess")),
        ({"channel_id": "30", "guild_id": "11"}, ("20", "sess")),
    ],
)
def test_the_heir_knows_what_the_gateway_said_last(data, kept):
    call = Call().connect()
    call.line(type="voice_state", data=data)
    call.drain()
    call.events()
    crash(call, VOICE)
    (asked_for,) = [event for event in call.events() if event["type"] == "adapter_send"]
    assert asked_for["payload"]["d"]["channel_id"] == kept[0]
    call.run(1.1)
    assert call.connection._credentials.session_id == kept[1]


@pytest.mark.parametrize("end", [{"type": "leave"}, {"type": "voice_state", "data": {"channel_id": None}}])
def test_what_the_parent_has_left_is_not_joined_again(end):
    call = Call().connect()
    call.line(**end)
    call.drain()
    call.events()
    crash(call, VOICE)
    assert (call.events(), call.state("connection")) == ([], "idle")


def test_a_call_that_was_given_up_is_not_joined_again():
    call = Call().connect()
    call.server.lost(4017)
    call.drain()
    call.events()
    crash(call, VOICE)
    assert (call.events(), call.state("connection")) == ([], "idle")


def test_a_lost_call_that_waits_for_its_server_is_over_in_time_for_the_heir_too():
    """The parent saw a reconnection: one without an end would leave it waiting for ever."""
    call = Call().connect()
    call.voice_server(endpoint=None)
    call.drain()
    call.events()
    crash(call, VOICE)
    assert short(call.events())[:2] == RECONNECTING[:2]
    call.run(20.0)
    assert "transport_state voice disconnected no_voice_server" in short(call.events())
    assert call.state("connection") == "closed"


@pytest.mark.parametrize("failures", [1, 2])
def test_an_heir_waits_for_a_move_without_op_4_too(failures):
    call = Call().connect()
    call.server.lost(4014)
    call.drain()
    call.events()
    for _ in range(failures):
        crash(call, VOICE)
    assert "adapter_send" not in short(call.events())
    call.run(4.9)
    assert call.events() == []
    call.run(0.2)
    told = short(call.events())
    assert "transport_state voice disconnected no_voice_server" in told
    assert "adapter_send" not in told


@pytest.mark.parametrize("moved", ["server", "channel"])
def test_an_heir_goes_on_with_a_move_that_was_announced(moved):
    call = Call().connect()
    call.server.lost(4014)
    call.drain()
    if moved == "server":
        call.voice_server(endpoint="b.example", token="t2")
    else:
        call.voice_state(channel=21)
    call.drain()
    call.events()
    crash(call, VOICE)
    asked_for = [event["payload"]["d"]["channel_id"] for event in call.events() if event["type"] == "adapter_send"]
    assert asked_for == (["20"] if moved == "server" else ["21"])
    call.voice_server(endpoint="b.example", token="t2")
    call.run(1.1)
    call.server.handshake(1)
    assert "ready" in short(call.events())
    assert call.web_socket.urls[-1] == "wss://b.example/?v=9"


def test_an_order_in_which_it_fails_is_carried_out_by_the_heir_and_settles():
    call = Call().establish(42)
    arm(call, call.connection)
    call.line(type="leave")
    call.line(type="stop_playback")
    call.drain()
    assert short(call.events()) == [
        "adapter_send",
        "dave_state voice cleared",
        "connection_state disconnected",
        "transport_state voice disconnected explicit_leave",
        "player_state idle",
    ]


def test_a_join_in_which_it_fails_replaces_the_old_call_without_a_word_of_it():
    call = Call().establish(42)
    arm(call, call.connection)
    call.join("c2", 30)
    call.drain()
    assert short(call.events()) == ["dave_state voice cleared", "adapter_send"]
    assert call.state("connection") == "awaiting_credentials"


# --- DAVE ---


def test_a_failed_group_is_made_anew_with_another_session_and_never_said_to_be_over():
    call = Call().establish(42)
    crash(call, dave_address(Role.VOICE))
    assert short(call.events()) == [*RECONNECTING, "dave_state voice negotiating 1"]
    assert not call.cipher.group_ready
    assert again(call) == READY
    call.server.members(42)
    call.server.external_sender()
    call.server.welcome(0)
    call.drain()
    assert short(call.events()) == ["dave_state voice ready 1"]
    assert len(call.engines) == 2


def test_a_group_that_fails_in_its_first_message_costs_one_more_session():
    call = Call()
    call.join()
    call.voice_server()
    call.voice_state()
    call.drain()
    call.server.before_session()
    arm(call, call.dave)
    call.server.session(1)
    call.drain()
    assert call.state("connection") == "reconnecting"
    again(call)
    assert (call.state("connection"), call.state("dave")) == ("ready", "negotiating")


def test_a_group_that_fails_without_a_call_is_just_replaced():
    call = Call()
    crash(call, dave_address(Role.VOICE))
    assert (call.events(), call.state("dave"), call.state("connection")) == ([], "inactive", "idle")


# --- streams ---


@pytest.mark.parametrize("role", ROLES)
def test_a_stream_that_fails_comes_back_and_nobody_else_notices(role):
    call = Call().establish()
    connect(call, role)
    call.roles[ROLES[role]].server.handshake(1)
    call.events()
    crash(call, connection_address(ROLES[role]))
    told = short(call.events())
    assert f"transport_state {role} connecting" in told
    assert all(role in line for line in told)
    assert (call.state("connection"), call.state("dave")) == ("ready", "established")
    call.roles[ROLES[role]].server.handshake(1)
    assert f"transport_state {role} ready" in short(call.events())


@pytest.mark.parametrize("resuming", [False, True])
@pytest.mark.parametrize("role", ROLES)
def test_a_stream_whose_group_fails_makes_another_session_and_nobody_else_notices(role, resuming):
    call = Call().establish()
    connect(call, role)
    parts = call.roles[ROLES[role]]
    parts.server.handshake(1)
    sealer = parts.pipeline.sealer
    if resuming:
        parts.server.lost(None)
        call.drain()
    call.events()
    crash(call, dave_address(ROLES[role]))
    told = short(call.events())
    assert f"transport_state {role} connecting" in told
    assert all(role in line for line in told)
    assert not [line for line in told if "disconnected" in line or "failed" in line or line.startswith("error")]
    parts.server.handshake(1)
    assert f"transport_state {role} ready" in short(call.events())
    assert parts.pipeline.sealer is not sealer
    assert (call.state("connection"), call.state("dave")) == ("ready", "established")


@pytest.mark.parametrize("role", ROLES)
def test_a_stream_that_was_disconnected_stays_so(role):
    call = Call()
    connect(call, role)
    call.line(type=f"{role}_disconnect")
    call.drain()
    call.events()
    crash(call, connection_address(ROLES[role]))
    assert call.events() == []
    assert call.state(f"{role} connection") == "idle"


# --- video ---


def test_a_failed_video_actor_wants_and_sees_the_same_and_tells_nothing_again():
    call = watching()
    subscribe(call)
    announce(call)
    call.events()
    before, shown = asked(call)[-1], looked_at(call)
    crash(call, video_address(Role.STREAM_WATCH))
    assert call.events() == []
    assert looked_at(call) == shown
    assert asked(call)[-1] == before
    assert call.state("stream_watch video") == "watching"


def test_who_left_before_the_video_actor_failed_is_not_wanted_by_its_heir():
    call = watching()
    subscribe(call)
    announce(call)
    call.roles[Role.STREAM_WATCH].server.member_gone(42)
    call.drain()
    crash(call, video_address(Role.STREAM_WATCH))
    assert call.roles[Role.STREAM_WATCH].desk.lists[-1] == ()
    assert call.state("stream_watch video") == "listening"


def test_an_heir_is_told_of_no_more_senders_than_its_predecessor_believed():
    wish = VideoWish(video_address(Role.VOICE))
    wish.ordered(VideoLinkReady(attempt=1))
    for user in range(300):
        video = Video(audio_ssrc=user, video_ssrc=1_000 + user)
        wish.ordered(VideoStateAnnounced(attempt=1, user_id=user, video=video))
    (revived,) = wish.revival(None)
    assert list(revived.message.announced) == list(range(256))


def test_an_heir_knows_the_newest_of_a_sender_also_where_no_other_is_believed_any_more(monkeypatch):
    for module in (desired_call, video):
        monkeypatch.setattr(module, "MOST_SENDERS", 1)
    call = watching()
    for user in (42, 43):
        subscribe(call, user)
    announce(call)
    announce(call, 43, video_ssrc=40, streams=[SCREEN | {"ssrc": 40, "rtx_ssrc": 41}])
    announce(call, 42, video_ssrc=60, streams=[SCREEN | {"ssrc": 60, "rtx_ssrc": 61}])
    assert looked_at(call) == {42: 60}
    crash(call, video_address(Role.STREAM_WATCH))
    assert looked_at(call) == {42: 60}


def test_the_end_of_what_is_seen_is_told_if_its_actor_is_not_replaced():
    call = watching()
    announce(call)
    for _ in range(3):
        crash(call, video_address(Role.STREAM_WATCH))
    call.events()
    crash(call, video_address(Role.STREAM_WATCH))
    kinds = [event["type"] for event in call.events()]
    assert kinds[0] == "error"
    assert kinds.count("user_video_end") <= 1
    assert "transport_state" in kinds
