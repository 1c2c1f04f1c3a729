"""Music of the real process from a real HTTP server, as a parent is told of it and as a member hears it."""

import wave

import numpy as np
import pytest

from clankvox.demo.parent import VoxParent
from tests.support.encoded import KINDS, encode, stereo_signal
from tests.support.media_server import MediaServer, Step
from tests.support.process_call import RATE_HZ, Call, chirp, eventually

TOLD = ("player_state", "music_idle", "music_error", "music_gain_reached", "playback_armed")
TONE_HZ = 1_000
TONE_PEAK = 8_000
FADE_IN_S = 1.5


@pytest.fixture(scope="module")
def server():
    with MediaServer() as media:
        media.add("/song.opus", song(8.0), "audio/ogg")
        media.add("/short.flac", encode(tones(0.6), KINDS["flac"]._replace(rate_hz=RATE_HZ)), "audio/flac")
        media.add("/tone.flac", encode(tones(6.0), KINDS["flac"]._replace(rate_hz=RATE_HZ)), "audio/flac")
        media.add("/stuck.opus", song(8.0), "audio/ogg", Step(stall_after=0))
        media.add("/forbidden", b"no", "text/plain", Step(403))
        yield media


@pytest.fixture(scope="module")
def music_vox(trust):
    with VoxParent(env=trust, args=("--allow-private-hosts", "--log-level", "debug")) as parent:
        yield parent
    assert parent.exit_code == 0
    assert not [text for text in parent.stderr_lines if "secret" in text]
    assert not [event for event in parent.events if "secret" in str(event.body)]


@pytest.fixture
def call(music_vox, discord):
    entered = Call(music_vox, discord)
    entered.enter()
    yield entered
    assert entered.leaked_frames() == 0
    entered.hang_up()


@pytest.fixture
def plain_call(music_vox, discord):
    entered = Call(music_vox, discord, connection_id=None)
    entered.enter()
    yield entered
    entered.hang_up()


def song(seconds):
    return encode(stereo_signal(RATE_HZ, seconds), KINDS["opus"])


PIECE_SAMPLES = RATE_HZ // 10


def tones(seconds):
    """1 kHz on the left, 1.7 kHz on the right, both at the same level."""
    moments = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    left, right = (np.sin(2 * np.pi * hz * moments) for hz in (TONE_HZ, 1_700))
    return np.rint(np.stack((left, right), axis=1) * TONE_PEAK).astype(np.int16)


def play(call, server, path="/song.opus", name="m1"):
    ids = {} if name is None else {"musicId": name}
    call.vox.send({"type": "music_play", "url": server.url(path) + "?key=secret", "resolvedDirectUrl": True, **ids})


def order(call, what, name="m1", **fields):
    ids = {} if name is None else {"musicId": name}
    call.vox.send({"type": f"music_{what}", **ids, **fields})


def playing(call, name="m1"):
    ids = {} if name is None else {"musicId": name}
    return call.wait_for("player_state", status="playing", **ids)


def told(call, since=None):
    """What the parent was told of music: type, what it was, and of whom."""
    shown = []
    for body in call.told(since):
        if body["type"] in TOLD and body.get("reason") != "connection_ready":
            words = (body.get(key) for key in ("status", "code", "reason", "musicId"))
            shown.append(" ".join([body["type"], *(word for word in words if word)]))
    return shown


def heard(folder, call):
    """What a member recorded of us, int16 of shape (samples, 2)."""
    with wave.open(str(folder / f"{call.me}.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)


def level_of(pcm, hz):
    """Usual peak level of the tone at `hz` in pieces of 100 ms: in a few of them this machine may miss a slot."""
    pieces = pcm[: len(pcm) // PIECE_SAMPLES * PIECE_SAMPLES].reshape(-1, PIECE_SAMPLES)
    moments = np.arange(PIECE_SAMPLES) / RATE_HZ
    return 2 * np.median(np.abs(np.mean(pieces * np.exp(-2j * np.pi * hz * moments), axis=1)))


def test_a_piece_is_heard_to_its_end_and_the_parent_is_told_of_each_step(call, server, tmp_path):
    listener = call.listener(tmp_path)
    play(call, server, "/short.flac")
    idle = call.wait_for("music_idle", musicId="m1")
    call.wait_for("playback_armed", reason="music_idle")
    assert told(call) == [
        "player_state loading m1",
        "player_state playing m1",
        "player_state idle m1",
        "music_idle m1",
        "playback_armed music_idle",
    ]
    assert abs(idle.body["playedMs"] - 600) <= 20
    call.remove(listener)
    assert abs(len(heard(tmp_path, call)) / RATE_HZ - 0.7) < 0.12


def test_a_tone_keeps_its_level_and_its_channel(call, server, tmp_path):
    listener = call.listener(tmp_path)
    play(call, server, "/tone.flac")
    reached = call.wait_for("music_gain_reached", musicId="m1")
    assert reached.body["gain"] == 1.0
    eventually(lambda: call.events_of("playback_position", musicId="m1")[-1].body["playedMs"] > 3_000, "three seconds")
    order(call, "stop")
    call.wait_for("music_idle", musicId="m1")
    call.remove(listener)
    left, right = heard(tmp_path, call)[round((FADE_IN_S + 0.2) * RATE_HZ) : round((FADE_IN_S + 1.2) * RATE_HZ)].T
    for mine, other, hz in ((left, right, TONE_HZ), (right, left, 1_700)):
        assert abs(20 * np.log10(level_of(mine, hz) / TONE_PEAK)) < 0.5
        assert 20 * np.log10(level_of(other, hz) / TONE_PEAK) < -30


def test_a_pause_keeps_the_place_and_says_how_much_was_heard(call, server, tmp_path):
    call.listener(tmp_path)
    play(call, server)
    playing(call)
    eventually(lambda: call.events_of("playback_position", musicId="m1"), "a position")
    order(call, "pause")
    paused = call.wait_for("player_state", status="paused", musicId="m1")
    call.wait_for("playback_armed", reason="music_pause")
    packets = eventually(lambda: _settled(call), "silence")
    since = call.vox.mark()
    order(call, "resume")
    call.wait_for("player_state", since=since, status="playing", musicId="m1")
    eventually(lambda: call.seen()["packets"] > packets + 10, "more music")
    order(call, "stop")
    idle = call.wait_for("music_idle", musicId="m1")
    assert 0 < paused.body["playedMs"] < idle.body["playedMs"] < 8_000


def _settled(call):
    """Packets so far, once no more come; else None."""
    before = call.seen()["packets"]
    call.vox.send({"type": "finish_tts_playback", "playbackId": "nobody"})
    call.wait_for("tts_playback_state", playbackId="nobody")
    return before if call.seen()["packets"] == before and call.seen()["silenceFrames"] >= 5 else None


def test_a_stop_fades_out_and_ends_once(call, server, tmp_path):
    call.listener(tmp_path)
    play(call, server)
    playing(call)
    order(call, "stop", "another")
    order(call, "stop")
    call.wait_for("playback_armed", reason="music_stop")
    assert told(call)[2:] == ["player_state idle m1", "music_idle m1", "playback_armed music_stop"]


def test_a_replaced_piece_sounds_until_the_next_one_does_and_gets_its_end(call, server, tmp_path):
    call.listener(tmp_path)
    play(call, server)
    playing(call)
    play(call, server, name="m2")
    call.wait_for("music_idle", musicId="m1")
    call.wait_for("music_gain_reached", musicId="m2")
    lines = told(call)
    lines.remove("music_gain_reached m2")
    assert lines == [
        "player_state loading m1",
        "player_state playing m1",
        "player_state loading m2",
        "player_state playing m2",
        "music_idle m1",
    ]


def test_a_piece_that_cannot_be_had_is_an_error_and_the_one_before_fades_out(call, server, tmp_path):
    call.listener(tmp_path)
    play(call, server)
    playing(call)
    play(call, server, "/forbidden", "m2")
    failed = call.wait_for("music_error", musicId="m2")
    assert failed.body["code"] == "http_403"
    assert "secret" not in failed.body["message"]
    call.wait_for("music_idle", musicId="m1")
    assert told(call)[2:] == [
        "player_state loading m2",
        "music_error http_403 m2",
        "player_state idle m2",
        "playback_armed music_error",
        "music_idle m1",
    ]


def test_stop_playback_ends_music_at_once_before_the_next_command_takes_effect(call, server, tmp_path):
    call.listener(tmp_path)
    play(call, server)
    playing(call)
    since = call.vox.mark()
    call.vox.send({"type": "stop_playback"})
    play(call, server, name="m2")
    playing(call, "m2")
    assert told(call, since)[:4] == [
        "player_state idle m1",
        "music_idle m1",
        "playback_armed stop_playback",
        "player_state loading m2",
    ]


def test_leaving_ends_music_even_if_its_source_hangs(call, server):
    play(call, server, "/stuck.opus")
    call.wait_for("player_state", status="loading", musicId="m1")
    since = call.vox.mark()
    call.hang_up()
    assert told(call, since) == ["player_state idle m1", "music_idle m1"]


@pytest.mark.parametrize("path", ["/song.opus", "/stuck.opus"])
def test_a_process_whose_music_plays_or_hangs_ends_in_peace(trust, server, path):
    with VoxParent(env=trust, args=("--allow-private-hosts",)) as parent:
        parent.send({"type": "music_play", "musicId": "m1", "url": server.url(path), "resolvedDirectUrl": True})
        parent.wait_for("player_state", status="loading" if "stuck" in path else "playing")
        parent.send({"type": "destroy"})
        assert parent.wait_exit() == 0
        assert [event.type for event in parent.events[-2:]] == ["player_state", "music_idle"]


def test_a_parent_without_ids_is_told_in_the_plain_form(plain_call, server, tmp_path):
    plain_call.listener(tmp_path)
    play(plain_call, server, "/short.flac", None)
    plain_call.wait_for("music_idle")
    plain_call.wait_for("playback_armed", reason="music_idle")
    assert told(plain_call) == ["player_state playing", "player_state idle", "music_idle", "playback_armed music_idle"]
    ends = [event.body for event in plain_call.events_of("music_idle") + plain_call.events_of("player_state")]
    assert not [body for body in ends if "musicId" in body or "playedMs" in body]


def test_music_without_an_id_lets_an_announcement_end_first(plain_call, server, tmp_path):
    plain_call.listener(tmp_path)
    plain_call.say(chirp(1.0, rate_hz=24_000))
    plain_call.wait_for("tts_playback_state", status="buffered")
    play(plain_call, server, "/short.flac", None)
    plain_call.wait_for("music_idle")
    words = [body.get("status") for body in plain_call.told() if body["type"] in ("tts_playback_state", "player_state")]
    assert words == ["buffered", "idle", "playing", "idle"]


def test_speech_over_ducked_music_is_heard_and_music_goes_on(call, server, tmp_path):
    listener = call.listener(tmp_path)
    play(call, server, "/tone.flac")
    call.wait_for("music_gain_reached", musicId="m1")
    call.vox.send({"type": "duck", "target": 0.1, "attackMs": 20, "releaseMs": 20})
    call.say(chirp(0.8, 300, 600, rate_hz=24_000), "p1")
    call.wait_said("p1")
    call.vox.send({"type": "duck", "target": 1.0})
    order(call, "stop")
    call.wait_for("music_idle", musicId="m1")
    call.remove(listener)
    left = heard(tmp_path, call)[:, 0].astype(float)
    levels = [level_of(left[at : at + 4_800], TONE_HZ) for at in range(round(FADE_IN_S * RATE_HZ), len(left), 4_800)]
    assert min(levels[:-8]) < 0.2 * TONE_PEAK
    assert statuses(call) == ["buffered", "started", "drained"]


def statuses(call):
    return [event.body["status"] for event in call.events_of("tts_playback_state", playbackId="p1")]


def test_speech_above_music_that_is_not_ducked_is_refused_and_music_goes_on(call, server):
    play(call, server)
    playing(call)
    call.say(chirp(0.2, rate_hz=24_000), "p1")
    failed = call.wait_for("tts_playback_state", playbackId="p1", status="failed")
    assert failed.body["reason"] == "music_not_ducked"
    order(call, "set_gain", target=0.2)
    call.say(chirp(0.2, rate_hz=24_000), "p2")
    call.wait_for("tts_playback_state", playbackId="p2", status="buffered")


def test_a_lost_link_in_mid_music_ends_nothing(call, server, tmp_path):
    call.listener(tmp_path)
    play(call, server)
    playing(call)
    eventually(lambda: call.events_of("playback_position", musicId="m1"), "a position")
    since = call.vox.mark()
    call.close(4_015)
    call.wait_for("connection_state", since=since, status="ready")
    again = call.vox.mark()
    eventually(lambda: _moves(call, again), "music that goes on")
    assert [line for line in told(call, since) if not line.startswith("music_gain_reached")] == []


def _moves(call, since):
    told = [entry.body for entry in call.vox.entries[since:] if getattr(entry, "type", "") == "playback_position"]
    places = [body["playedMs"] for body in told]
    return len(places) > 1 and places[-1] > places[0]
