"""Music beside everything else of a call: the order of endings, losses of the link, and an actor that fails."""

import pytest

from clankvox.ids import MUSIC
from tests.support.factory import Call, short


def play(call, name="m1", ms=2_000):
    """Start a piece whose source has begun to give PCM."""
    ids = {} if name is None else {"musicId": name}
    call.line(type="music_play", url="https://example.com/a.opus", resolvedDirectUrl=True, **ids)
    call.drain()
    call.sources.last.give(ms)
    call.drain()
    return call


def seen(call):
    call.drain()
    return short(call.events())


def test_a_piece_is_loading_and_playing():
    call = Call().connect()
    assert seen(play(call)) == ["player_state loading m1", "player_state playing m1"]


def test_stop_playback_ends_speech_before_music_and_music_before_the_next_command():
    call = play(Call().connect())
    call.line(type="music_set_gain", musicId="m1", target=0.2)
    call.audio("p1", 500)
    seen(call)
    call.line(type="stop_playback")
    call.line(type="music_play", musicId="m2", url="https://example.com/b")
    call.line(type="music_pause", musicId="m1")
    lines = [line.split(" ", 1)[0] + " " + line.split(" ", 1)[1].replace(" 0", "") for line in seen(call)]
    assert [line for line in lines if not line.startswith("buffer")] == [
        "tts_playback_state p1 stopped stop_playback",
        "player_state idle m1",
        "music_idle m1",
        "playback_armed stop_playback",
        "player_state loading m2",
    ]


def test_leaving_ends_speech_then_music_then_encryption_then_the_connection():
    call = play(Call().establish())
    call.line(type="music_set_gain", musicId="m1", target=0.2)
    call.audio("p1", 500)
    seen(call)
    call.line(type="leave")
    kinds = [line.split()[0] for line in seen(call)]
    assert [kind for kind in kinds if kind not in ("adapter_send", "buffer_depth")] == [
        "tts_playback_state",
        "player_state",
        "music_idle",
        "dave_state",
        "connection_state",
        "transport_state",
    ]
    assert call.sources.open_attempts == []


def test_a_join_that_replaces_a_call_ends_its_music_before_the_new_op_4():
    call = play(Call().connect())
    seen(call)
    call.join("c2", channel=21)
    words = [line.split()[0] for line in seen(call)]
    assert words.index("player_state") < words.index("music_idle") < words.index("adapter_send")


@pytest.mark.parametrize("command", ["destroy", None])
def test_the_end_of_the_process_ends_music(command):
    call = play(Call().connect())
    seen(call)
    call.line(type=command) if command else call.end_of_input()
    words = seen(call)
    assert "music_idle m1 0" in words
    assert call.exit_codes == [0]


def test_a_lost_link_does_not_end_music():
    call = play(Call().connect())
    seen(call)
    call.server.lost()
    words = seen(call)
    assert not [line for line in words if line.startswith(("player_state", "music", "playback"))]
    assert (call.state("music"), call.sources.open_attempts) == ("playing", [1])


def test_a_stop_during_a_lost_link_completes_by_time_alone():
    call = play(Call().connect())
    call.run(3.0)
    call.server.lost()
    call.line(type="music_stop", musicId="m1")
    seen(call)
    call.run(0.29)
    assert call.state("music") == "stopping"
    call.run(0.1)
    assert [line.split()[0] for line in short(call.events())][:2] == ["player_state", "music_idle"]
    assert call.sources.open_attempts == []


def test_music_goes_on_where_it_was_when_the_link_comes_back():
    call = play(Call().connect())
    call.run(1.0)
    call.server.lost()
    call.run(1.1)
    before = call.sources.last.buffer.played_samples
    call.left()
    call.server.handshake(0)
    call.run(0.5)
    assert call.sources.last.buffer.played_samples - before == 960 * len(call.left())


def test_after_ten_minutes_of_pause_music_goes_on_at_its_place_without_a_burst():
    call = play(Call().connect())
    call.run(1.0)
    call.line(type="music_pause", musicId="m1")
    call.run(0.5)
    (paused,) = [event for event in call.events() if event.get("status") == "paused"]
    position, buffered = call.sources.last.buffer.played_samples, call.sources.last.buffer.buffered_samples
    for _ in range(120):
        call.run(5.0)
        call.server.acknowledge()
    call.left()
    assert (call.sources.last.buffer.buffered_samples, call.sources.open_attempts) == (buffered, [1])
    call.line(type="music_resume", musicId="m1")
    call.run(0.5)
    assert 24 <= len(call.left()) <= 26
    assert 0 <= position // 48 - paused["playedMs"] <= 40
    assert call.sources.last.buffer.played_samples - position <= 26 * 960


def test_a_playback_actor_that_fails_costs_its_speech_and_no_music():
    call = play(Call().connect())
    call.run(0.5)
    seen(call)
    call.pump.tolerant = True
    call.playback._on_stop_tts = None
    call.line(type="stop_tts_playback")
    assert seen(call) == []
    call.sources.last.give(2_000)
    call.run(0.5)
    assert (call.state("music"), len(call.sources.open_attempts)) == ("playing", 1)


def test_a_music_actor_that_fails_is_replaced_and_the_call_goes_on():
    call = play(Call().connect())
    seen(call)
    call.pump.tolerant = True
    call.actor(MUSIC)._on_pause = None
    call.line(type="music_pause", musicId="m1")
    assert seen(call) == ["player_state paused m1 0", "playback_armed music_pause"]
    assert call.state("connection") == "ready"
