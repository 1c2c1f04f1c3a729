"""Playback, music, captures and the publisher: what comes back after a failure, and what the parent is told."""

from itertools import pairwise

import pytest

from clankvox.ids import MUSIC, PLAYBACK, PUBLISH, UserId, capture_address
from clankvox.messages.capture import MemberGone
from clankvox.messages.common import ActorFailed, Inspect
from clankvox.messages.publish import PublishEnded
from clankvox.wire.ip_discovery import PACKET_BYTES
from clankvox.wire.rtp import is_rtp, parse_header
from clankvox.wire.seq import seq_delta, timestamp_delta
from tests.actors.test_publish import STATE, URL, Studio
from tests.support.crash import arm, crash
from tests.support.factory import Call, short

USER = capture_address(UserId(42))


def said(call, *kinds):
    return [line for line in short(call.events()) if line.startswith(kinds)]


# --- playback ---


def speaking(ms=1_000):
    call = Call().establish(42)
    call.audio("p1", ms)
    call.run(0.3)
    call.events()
    return call


def test_the_playback_under_way_fails_once_and_the_next_one_is_heard():
    call = speaking()
    crash(call, PLAYBACK)
    call.audio("p1", 100)
    call.finish("p1")
    call.audio("p2", 100)
    call.finish("p2")
    call.run(1.0)
    assert said(call, "tts") == [
        "tts_playback_state p1 failed internal_error",
        "tts_playback_state p1 failed playback_already_failed",
        "tts_playback_state p1 failed stale_playback_id",
        "tts_playback_state p2 buffered",
        "tts_playback_state p2 started",
        "tts_playback_state p2 drained",
    ]
    assert call.leaks == []


def test_a_chunk_in_which_it_fails_is_answered():
    call = Call().connect()
    arm(call, call.playback)
    call.audio("p1", 100)
    call.drain()
    assert said(call, "tts") == ["tts_playback_state p1 failed internal_error"]


def test_speech_without_an_id_ends_as_well():
    call = Call().connect(None)
    call.audio(None, 1_000)
    call.run(0.3)
    call.events()
    crash(call, PLAYBACK)
    assert said(call, "tts") == ["tts_playback_state idle"]


def test_a_playback_that_was_over_is_not_failed():
    call = speaking(100)
    call.finish("p1")
    call.run(1.0)
    call.events()
    crash(call, PLAYBACK)
    assert call.events() == []


def test_ids_that_failed_before_stay_failed():
    call = Call().connect()
    call.audio("p1", pcmBase64="*")
    call.drain()
    call.events()
    crash(call, PLAYBACK)
    call.audio("p1", 100)
    call.drain()
    assert said(call, "tts") == ["tts_playback_state p1 failed playback_already_failed"]


def test_a_suspended_way_stays_suspended():
    call = speaking()
    call.server.lost(4006)
    call.drain()
    call.events()
    assert call.playback.handle(Inspect())["flow"] == "suspended"
    crash(call, PLAYBACK)
    assert call.playback.handle(Inspect())["flow"] == "suspended"
    call.audio("p2", 200)
    call.drain()
    assert (call.pacer.due(), said(call, "tts")[-1]) == (None, "tts_playback_state p2 buffered")


def test_the_same_sealer_goes_on_counting_and_so_does_the_stream():
    """A sequence that jumps back would be late to every receiver, for minutes (RFC 3550 appendix A.1)."""
    call = speaking()
    sealer = call.router._desired._wish(PLAYBACK)._path.sealer
    crash(call, PLAYBACK)
    call.audio("p2", 200)
    call.run(0.2)
    assert call.playback._transmission._sender._sealer is sealer
    sent = [parse_header(datagram) for datagram in call.udp.sent if is_rtp(datagram) and len(datagram) != PACKET_BYTES]
    assert len(sent) > 15
    for before, after in pairwise(sent):
        assert seq_delta(after.sequence, before.sequence) == 1
        assert timestamp_delta(after.timestamp, before.timestamp) >= 960


def test_music_goes_on_where_it_was_when_its_mixer_fails():
    call = playing()
    crash(call, PLAYBACK)
    assert call.events() == []
    assert 0 < call.sources.last.request.start_ms <= 600
    call.sources.last.give(2_000)
    call.run(0.3)
    assert call.state("music") == "playing"
    assert call.left()


def test_a_piece_that_was_over_is_not_silenced_once_more():
    call = playing()
    call.sources.last.end()
    call.run(3.0)
    assert call.state("music") == "idle"
    failure = ActorFailed(address=PLAYBACK, error="Bug")
    assert not [told for told in call.router._desired._wish(PLAYBACK).revival(failure) if told.to == MUSIC]


def test_a_gain_that_was_reached_stays_and_is_not_told_again():
    call = playing()
    call.line(type="music_set_gain", musicId="m1", target=0.2)
    call.line(type="duck", target=0.1)
    call.drain()
    call.events()
    crash(call, PLAYBACK)
    call.audio("p1", 100)
    call.drain()
    assert "tts_playback_state p1 buffered" in short(call.events())
    assert call.playback._mixer._ducking.target == 0.1


def test_stop_playback_in_which_it_fails_stops_all_and_settles():
    call = playing()
    arm(call, call.playback)
    call.line(type="stop_playback")
    call.line(type="music_play", url="")
    call.drain()
    lines = [line.split()[0] for line in short(call.events())]
    assert lines.index("music_idle") < lines.index("music_error")
    assert (call.state("music"), call.state("router")) == ("idle", "serving")


# --- music ---


def playing(name="m1", ms=500):
    call = Call().connect()
    call.line(type="music_play", musicId=name, url="https://example.com/a", resolvedDirectUrl=True)
    call.drain()
    call.sources.last.give(2_000)
    call.run(ms / 1000)
    call.events()
    return call


def test_music_whose_actor_fails_goes_on_to_the_millisecond_and_the_parent_hears_nothing_of_it():
    call = playing()
    first = call.sources.last
    crash(call, MUSIC)
    assert call.events() == []
    assert first.closed
    assert call.sources.last.request.start_ms == first.buffer.played_samples // 48
    call.sources.last.give(2_000)
    call.sources.last.end()
    call.run(3.0)
    assert said(call, "player", "music_idle") == [
        f"player_state idle m1 {call.sources.last.request.start_ms + 2_000}",
        f"music_idle m1 {call.sources.last.request.start_ms + 2_000}",
    ]


def test_a_pause_outlives_its_actor():
    call = playing()
    call.line(type="music_pause", musicId="m1")
    call.drain()
    call.events()
    crash(call, MUSIC)
    assert (call.events(), call.state("music"), call.sources.open_attempts) == ([], "paused_broken", [])
    call.line(type="music_resume", musicId="m1")
    call.drain()
    assert said(call, "player")[0].startswith("player_state playing m1")


@pytest.mark.parametrize(("order", "state"), [("pause", "paused"), ("resume", "playing")])
def test_an_order_in_which_it_fails_is_carried_out_by_the_heir(order, state):
    call = playing()
    if order == "resume":
        call.line(type="music_pause", musicId="m1")
        call.drain()
        call.events()
    call.pump.tolerant = True
    music = call.actor(MUSIC)
    music._on_pause = music._on_resume = None
    call.line(type=f"music_{order}", musicId="m1")
    call.drain()
    assert said(call, "player")[0].startswith(f"player_state {state} m1")


def test_a_stop_under_way_is_over_at_once():
    call = playing()
    call.line(type="music_stop", musicId="m1")
    call.drain()
    crash(call, MUSIC)
    assert [line.split(" ")[:3] for line in said(call, "player", "music")] == [
        ["player_state", "idle", "m1"],
        ["music_idle", "m1", said_ms(call)],
    ]
    assert (call.state("music"), call.sources.open_attempts) == ("idle", [])


def said_ms(call):
    return str(call.sources.all[0].buffer.played_samples // 48)


def test_a_piece_that_was_loading_is_loaded_again():
    call = Call().connect()
    call.line(type="music_play", musicId="m1", url="https://example.com/a", resolvedDirectUrl=True)
    call.drain()
    call.events()
    crash(call, MUSIC)
    assert (call.state("music"), len(call.sources.open_attempts), call.events()) == ("loading", 1, [])


def test_a_piece_that_was_paused_while_it_loaded_stays_so():
    call = Call().connect()
    call.line(type="music_play", musicId="m1", url="https://example.com/a", resolvedDirectUrl=True)
    call.line(type="music_pause", musicId="m1")
    call.drain()
    call.events()
    crash(call, MUSIC)
    assert (call.state("music"), call.events()) == ("paused_loading", [])


def test_a_play_in_which_it_fails_is_carried_out_and_the_piece_before_ends_once():
    call = playing()
    call.pump.tolerant = True
    call.actor(MUSIC)._piece_of = None
    call.line(type="music_play", musicId="m2", url="https://example.com/b", resolvedDirectUrl=True)
    call.drain()
    lines = said(call, "player", "music")
    assert [line.split(" ")[:2] for line in lines if line.startswith("music_idle")] == [["music_idle", "m1"]]
    assert lines[-1] == "player_state loading m2"
    assert len(call.sources.open_attempts) == 1


def test_music_that_cannot_go_on_is_an_error():
    call = playing()
    for _ in range(3):
        crash(call, MUSIC)
    call.events()
    crash(call, MUSIC)
    lines = short(call.events())
    assert [line for line in lines if line.startswith("music_error")] == ["music_error m1 pipeline_failed"]
    assert call.sources.open_attempts == []


# --- captures ---


def listening(one_shot=True):
    call = Call().connect()
    ids = {"captureId": "k1"} if one_shot else {}
    call.line(type="subscribe_user", userId="42", silenceDurationMs=300, **ids)
    call.drain()
    return call


def heard(call):
    return [kind for kind, _ in call.frames()].count(1)


@pytest.mark.parametrize("one_shot", [True, False])
def test_a_subscription_comes_back_armed(one_shot):
    call = listening(one_shot)
    crash(call, USER)
    call.pipeline.packet(42)
    call.drain()
    assert heard(call) == 1


def test_an_utterance_ends_once_with_its_actor_and_nothing_of_it_follows():
    call = listening()
    call.pipeline.packet(42)
    call.drain()
    crash(call, USER)
    assert said(call, "speaking", "user_audio") == ["speaking_start 42 k1", "user_audio_end 42 k1"]
    call.pipeline.packet(42)
    call.pipeline.silence(42)
    call.run(1.0)
    assert (heard(call), call.state("42")) == (0, "idle")


def test_a_subscription_without_an_id_hears_what_follows():
    call = listening(one_shot=False)
    call.pipeline.packet(42)
    call.drain()
    crash(call, USER)
    assert said(call, "user_audio") == ["user_audio_end 42"]
    call.pipeline.packet(42)
    call.drain()
    assert heard(call) == 1


def test_pcm_whose_news_were_on_their_way_is_ended_by_the_heir():
    call = listening()
    arm(call, call.capture(42))
    call.pipeline.packet(42)  # its actor fails on the first of its news
    call.drain()
    call.run(1.0)
    assert said(call, "user_audio") == ["user_audio_end 42 k1"]


def test_orders_behind_the_failure_are_carried_out_in_their_order():
    call = listening()
    call.pipeline.packet(42)
    call.drain()
    call.events()
    arm(call, call.capture(42))
    call.line(type="subscribe_user", userId="42", captureId="k2")
    call.line(type="subscribe_user", userId="42", captureId="k3")
    call.drain()
    call.pipeline.packet(42)
    call.drain()
    assert said(call, "user_audio") == ["user_audio_end 42 k1"]
    assert call.capture(42)._capture.capture_id == "k3"


def test_a_member_who_leaves_while_it_fails_has_left():
    call = listening()
    crash(call, USER, MemberGone())
    assert said(call, "client", "user") == ["client_disconnect 42"]


def test_what_was_open_ends_when_nobody_goes_on():
    call = listening()
    call.pipeline.packet(42)
    call.drain()
    for _ in range(4):
        crash(call, USER)
    lines = short(call.events())
    assert "error voice_runtime_error voice" in lines
    assert (lines.count("user_audio_end 42 k1"), sum(line.startswith("speaking_end") for line in lines)) == (1, 1)


# --- publish ---


def test_a_source_starts_again_on_the_same_way():
    studio = Studio()
    studio.play()
    studio.worker.new_calls()
    crash(studio.call, PUBLISH)
    assert studio.said() == [f"{STATE} playing"]
    assert studio.worker.new_calls()[-3:] == ["attach", "stop", f"start {studio.worker.source}"]
    assert (studio.state(), studio.worker.request.url) == ("playing", URL)


def test_news_of_the_predecessors_source_are_not_taken_for_the_heirs():
    studio = Studio()
    studio.play()
    old = studio.worker.source
    crash(studio.call, PUBLISH)
    assert studio.worker.source > old
    studio.said()
    assert studio.news(PublishEnded(source=old)) == []


@pytest.mark.parametrize("order", ["stop", "pause"])
def test_a_stop_and_a_pause_outlive_their_actor(order):
    studio = Studio()
    studio.play()
    studio.order(order)
    crash(studio.call, PUBLISH)
    assert studio.state() == {"stop": "idle", "pause": "paused"}[order]


def test_a_source_that_has_ended_does_not_start_again():
    studio = Studio()
    studio.play()
    studio.news(PublishEnded(source=studio.worker.source))
    crash(studio.call, PUBLISH)
    assert (studio.state(), studio.said()) == ("idle", [])


def test_a_source_without_a_connection_waits_again():
    studio = Studio(linked=False)
    studio.play()
    crash(studio.call, PUBLISH)
    assert studio.state() == "waiting"
    studio.link()
    assert studio.state() == "playing"


def test_a_source_that_cannot_go_on_has_failed():
    studio = Studio()
    studio.play()
    for _ in range(3):
        crash(studio.call, PUBLISH)
    studio.said()
    crash(studio.call, PUBLISH)
    assert f"{STATE} failed internal_error" in studio.said()
    assert studio.state() == "idle"
