import pytest

from clankvox.actors import video as video_module
from clankvox.ids import Role
from clankvox.messages.video import PictureOverdue, VideoLinkReady
from clankvox.wire.gateway_ops import Op
from tests.actors.test_stream import connect, ready
from tests.support.factory import Call, short

USER, OTHER = 42, 43
SCREEN = {"ssrc": 20, "rtx_ssrc": 21, "rid": "100", "quality": 100, "active": True, "type": "screen"}


def watching():
    call = ready("stream_watch")
    call.events()
    return call


def subscribe(call, user=USER, **more):
    call.line(type="subscribe_user_video", userId=str(user), **more)
    call.drain()


def announce(call, user=USER, role=Role.STREAM_WATCH, **video):
    data = {"user_id": str(user), "audio_ssrc": 5, "video_ssrc": 20, "streams": [SCREEN]} | video
    call.roles[role].server.text(Op.VIDEO, data)
    call.drain()


def asked(call, role=Role.STREAM_WATCH):
    """Every op 15 so far."""
    return [data for op, data in call.roles[role].server.json_sent() if op == Op.MEDIA_SINK_WANTS]


def looked_at(call, role=Role.STREAM_WATCH):
    """The stream that is wanted of each user, as the receive path was told last."""
    return {stream.user_id: stream.ssrc for stream in call.roles[role].desk.lists[-1] if stream.wish is not None}


def test_a_wanted_stream_is_asked_for_and_looked_at():
    call = watching()
    subscribe(call, preferredQuality=80, preferredPixelCount=230_400, maxFramesPerSecond=5, jpegQuality=60)
    announce(call)
    assert asked(call)[-1] == {"20": 80, "any": 80, "pixelCounts": {"20": 230_400.0}}
    assert looked_at(call) == {USER: 20}
    (stream,) = call.roles[Role.STREAM_WATCH].desk.lists[-1]
    assert (stream.rtx_ssrc, stream.stream_type, stream.rid) == (21, "screen", "100")
    assert (stream.wish.max_frames_per_second, stream.wish.jpeg_quality) == (5, 60)
    assert call.state("stream_watch video") == "watching"


def test_the_turns_of_what_is_seen_are_logged_by_the_names_that_dashboards_look_for(caplog):
    call = watching()
    caplog.clear()
    caplog.set_level("INFO", "clankvox")
    subscribe(call)
    announce(call)
    announce(call)
    assert [(record.message, record.fields.get("user_id")) for record in caplog.records] == [
        ("native video subscribe requested", USER),
        ("discord video state observed", USER),
        ("native video state received", USER),
        ("video sink wants updated", None),
        ("native video state emitted", USER),
        ("discord video state observed", USER),
    ]


def test_the_order_of_subscribing_and_announcing_does_not_matter():
    call = watching()
    assert call.state("stream_watch video") == "listening"
    announce(call)
    assert asked(call)[-1]["20"] == 0
    assert call.state("stream_watch video") == "listening", "it is there, and nobody wants it"
    subscribe(call)
    assert asked(call)[-1]["20"] == 100
    assert looked_at(call) == {USER: 20}


def test_an_unsubscribed_user_is_not_wanted_any_more_and_the_server_is_told():
    call = watching()
    subscribe(call)
    announce(call)
    call.line(type="unsubscribe_user_video", userId=str(USER))
    call.drain()
    assert asked(call)[-1] == {"20": 0, "any": 0}
    assert looked_at(call) == {}
    assert call.state("stream_watch video") == "listening"
    before = len(asked(call))
    call.line(type="unsubscribe_user_video", userId=str(USER))
    call.drain()
    assert len(asked(call)) == before


def test_the_server_is_told_only_what_is_new():
    call = watching()
    subscribe(call)
    announce(call)
    before = len(asked(call))
    announce(call)
    subscribe(call)
    assert len(asked(call)) == before


def test_a_picture_that_does_not_come_is_asked_for_again():
    call = watching()
    subscribe(call)
    announce(call)
    before = len(asked(call))
    call.told(PictureOverdue(ssrc=20), call.roles[Role.STREAM_WATCH].video)
    assert len(asked(call)) == before + 1


def test_video_states_are_told_to_a_parent_without_ids_and_merged_over_the_roles():
    call = Call().connect(connection_id=None)
    announce(call, role=Role.VOICE, video_ssrc=30, streams=[{"ssrc": 30, "type": "video"}])
    (state,) = call.events()
    assert state["type"] == "user_video_state"
    assert [(stream["ssrc"], stream["streamType"]) for stream in state["streams"]] == [(30, "video")]
    connect(call, "stream_watch")
    call.roles[Role.STREAM_WATCH].server.handshake(0)
    call.events()
    announce(call, streams=[SCREEN | {"type": "video"}])
    (state,) = call.events()
    assert [(stream["ssrc"], stream["streamType"]) for stream in state["streams"]] == [(30, "video"), (20, "screen")]
    announce(call, video_ssrc=0, streams=[])
    (state,) = call.events()
    assert [stream["ssrc"] for stream in state["streams"]] == [30]
    announce(call, role=Role.VOICE, video_ssrc=0, streams=[])
    assert call.events() == [{"type": "user_video_end", "userId": "42", "ssrc": 30}]


def test_a_parent_with_ids_hears_nothing_of_video_states():
    call = Call().connect()
    announce(call, role=Role.VOICE)
    assert call.events() == []


def test_an_announcement_that_says_nothing_new_tells_nothing():
    call = watching()
    announce(call)
    call.events()
    announce(call)
    announce(call, OTHER, video_ssrc=0, streams=[])
    assert call.events() == []


def test_a_member_who_leaves_takes_the_video_along():
    call = watching()
    subscribe(call)
    announce(call)
    call.events()
    call.roles[Role.STREAM_WATCH].server.member_gone(USER)
    call.drain()
    assert call.events() == [{"type": "user_video_end", "userId": "42", "ssrc": 20}]
    assert asked(call)[-1] == {"20": 0, "any": 100}
    assert call.roles[Role.STREAM_WATCH].desk.lists[-1] == ()


def test_a_stream_that_is_replaced_by_another_is_not_wanted_any_more():
    call = watching()
    subscribe(call)
    announce(call)
    announce(call, video_ssrc=40, streams=[SCREEN | {"ssrc": 40, "rtx_ssrc": 41}])
    assert asked(call)[-1] == {"20": 0, "40": 100, "any": 100, "pixelCounts": {"40": 921_600.0}}


def test_subscriptions_outlive_the_connection_and_its_ssrcs_do_not():
    call = watching()
    subscribe(call)
    announce(call)
    call.events()
    call.line(type="stream_watch_disconnect")
    call.drain()
    assert short(call.events())[:1] != []
    assert call.state("stream_watch video") == "unlinked"
    assert call.roles[Role.STREAM_WATCH].desk.lists[-1] == ()
    asked_before = len(asked(call))
    subscribe(call, OTHER)
    assert len(asked(call)) == asked_before
    connect(call, "stream_watch")
    call.roles[Role.STREAM_WATCH].server.handshake(0)
    announce(call)
    assert looked_at(call) == {USER: 20}


def test_a_lost_call_forgets_what_was_seen_and_the_resumed_one_sees_again():
    call = Call().connect()
    subscribe(call)
    announce(call, role=Role.VOICE)
    assert looked_at(call, Role.VOICE) == {USER: 20}
    call.server.lost(4006)
    call.drain()
    assert call.state("video") == "unlinked"


def test_news_of_an_older_connection_are_dropped():
    call = watching()
    subscribe(call)
    attempt = call.roles[Role.STREAM_WATCH].web_socket.attempt
    call.line(type="stream_watch_disconnect")
    call.drain()
    data = {"user_id": str(USER), "audio_ssrc": 5, "video_ssrc": 20, "streams": [SCREEN]}
    call.roles[Role.STREAM_WATCH].server.text(Op.VIDEO, data, attempt=attempt)
    call.drain()
    assert call.roles[Role.STREAM_WATCH].desk.lists[-1] == ()


def test_a_server_that_announces_thousands_of_senders_is_not_believed(monkeypatch):
    monkeypatch.setattr(video_module, "MOST_SENDERS", 3)
    call = watching()
    for user in range(50, 60):
        announce(call, user, video_ssrc=user * 2, streams=[])
    assert len(call.roles[Role.STREAM_WATCH].desk.lists[-1]) == 3


@pytest.mark.parametrize(("connection_id", "decoded"), [("c1", True), (None, False)])
def test_vp8_is_decoded_for_parents_with_ids_only(connection_id, decoded):
    call = Call().connect(connection_id=connection_id)
    announce(call, role=Role.VOICE)
    subscribe(call)
    (stream,) = call.roles[Role.VOICE].desk.lists[-1]
    assert stream.wish.decode_vp8 is decoded


@pytest.mark.parametrize(("connection_id", "decoded"), [("c1", True), (None, False)])
def test_the_call_decides_who_decodes_vp8_also_of_those_who_were_wanted_before_it(connection_id, decoded):
    call = Call()
    subscribe(call)
    call.connect(connection_id=connection_id)
    announce(call, role=Role.VOICE)
    (stream,) = call.roles[Role.VOICE].desk.lists[-1]
    assert stream.wish.decode_vp8 is decoded


def test_an_actor_that_ends_leaves_nothing_to_look_at():
    call = watching()
    subscribe(call)
    announce(call)
    call.roles[Role.STREAM_WATCH].video.let_go()
    assert call.roles[Role.STREAM_WATCH].desk.lists[-1] == ()


@pytest.mark.parametrize("subscribed", [False, True])
def test_a_session_that_follows_another_without_a_word_of_its_end_is_asked_anew(subscribed):
    call = watching()
    if subscribed:
        subscribe(call)
        announce(call)
    asked_before = len(asked(call))
    attempt = call.roles[Role.STREAM_WATCH].web_socket.attempt
    call.told(VideoLinkReady(attempt=attempt), call.roles[Role.STREAM_WATCH].video)
    assert len(asked(call)) == asked_before + subscribed
