"""TTS as the parent sees it, and as it leaves: statuses by dialect, refusals, stops, holds, failures."""

import pytest

from clankvox.actors.playback import TOMBSTONES
from clankvox.actors.transmission import FAILURE_LIMIT
from clankvox.messages.playback import PlayTts
from clankvox.wire.rtp import SILENCE_FRAME
from tests.support.factory import Call, in_clear, short
from tests.support.fake_mls import FakeEngine

TTS = "tts_playback_state"


def tts(call, *, drain=True):
    """Statuses since the last look: `id status reason` with an id, `status` without."""
    if drain:
        call.drain()
    return [line.removeprefix(TTS + " ") for line in short(call.events()) if line.startswith(TTS)]


def speech_and_tail(frames):
    tail = len([frame for frame in frames if frame == SILENCE_FRAME])
    return len(frames) - tail, tail


# --- one playback with an id ---


def test_a_playback_is_buffered_started_and_drained_after_five_silence_frames():
    call = Call().connect()
    call.audio("p1", 200)
    call.drain()
    assert call.events() == [{"type": TTS, "playbackId": "p1", "status": "buffered"}]
    call.run(0.1)
    assert call.events() == [{"type": TTS, "playbackId": "p1", "status": "started"}]
    call.finish()
    call.run(1.0)
    assert call.events() == [{"type": TTS, "playbackId": "p1", "status": "drained", "playedMs": 200}]
    frames = call.left()
    assert speech_and_tail(frames) in ((10, 5), (11, 5))
    assert frames[-5:] == [SILENCE_FRAME] * 5


def test_a_playback_is_started_only_when_its_first_packet_was_handed_over():
    call = Call().connect()
    call.audio("p1", 200)
    while not call.left():
        assert "p1 started" not in tts(call)
        call.run(0.005)
    assert tts(call) == ["p1 started"]


def test_all_zero_pcm_is_never_started_and_still_drained():
    call = Call().connect()
    call.audio("p1", 100, level=0)
    call.finish()
    call.run(1.0)
    assert tts(call) == ["p1 buffered", "p1 drained"]


def test_without_finish_a_playback_never_drains():
    call = Call().connect()
    call.audio("p1", 100)
    call.run(5.0)
    assert tts(call) == ["p1 buffered", "p1 started"]
    call.audio("p1", 100)
    call.finish()
    call.run(1.0)
    assert tts(call) == ["p1 drained"]


def test_finish_after_the_last_packet_left_drains_at_once():
    call = Call().connect()
    call.audio("p1", 100)
    call.run(1.0)
    tts(call)
    call.finish()
    assert tts(call) == ["p1 drained"]


@pytest.mark.parametrize("wait_s", [0.0, 0.1])
def test_a_second_finish_is_ignored(wait_s):
    call = Call().connect()
    call.audio("p1", 200)
    call.run(wait_s)
    call.finish()
    call.finish()
    call.run(1.0)
    assert tts(call) == ["p1 buffered", "p1 started", "p1 drained"]


def test_finish_of_an_unknown_or_drained_playback_is_stale():
    call = Call().connect()
    call.finish("p9")
    assert tts(call) == ["p9 failed stale_playback_id"]
    call.audio("p1", 60)
    call.finish()
    call.run(1.0)
    tts(call)
    call.finish()
    assert tts(call) == ["p1 failed stale_playback_id"]


def test_audio_after_finish_is_dropped_and_the_rest_is_played():
    call = Call().connect()
    call.audio("p1", 100)
    call.finish()
    call.audio("p1", 2_000)
    call.run(1.0)
    assert tts(call) == ["p1 buffered", "p1 started", "p1 drained"]
    assert sum(speech_and_tail(call.left())) <= 12


def test_one_playback_after_the_other():
    call = Call().connect()
    for name in ("p1", "p2", "p3"):
        call.audio(name, 60)
        call.finish(name)
        call.run(0.5)
        assert tts(call) == [f"{name} buffered", f"{name} started", f"{name} drained"]


# --- refusals ---


def test_another_playback_while_one_is_active_is_stale_and_stays_failed():
    call = Call().connect()
    call.audio("p1", 500)
    call.audio("p2", 20)
    call.audio("p2", 20)
    assert tts(call) == ["p1 buffered", "p2 failed stale_playback_id", "p2 failed playback_already_failed"]
    call.run(0.1)
    assert tts(call) == ["p1 started"]


@pytest.mark.parametrize(
    ("chunk", "reason"),
    [
        ({"pcmBase64": "*"}, "invalid_pcm_base64"),
        ({"pcmBase64": ""}, "empty_pcm"),
        ({"sampleRate": 7_999}, "invalid_sample_rate"),
    ],
)
def test_a_bad_first_chunk_fails_its_playback(chunk, reason):
    call = Call().connect()
    call.audio("p1", **chunk)
    call.audio("p1")
    assert tts(call) == [f"p1 failed {reason}", "p1 failed playback_already_failed"]


@pytest.mark.parametrize("stage", ["buffered", "started", "finishing_unheard", "finishing"])
def test_a_bad_chunk_fails_its_playback_in_every_state(stage):
    call = Call().connect()
    call.audio("p1", 500)
    call.drain()
    if stage in ("started", "finishing"):
        call.run(0.1)
    if stage.startswith("finishing"):
        call.finish()
        call.drain()
    assert call.state("playback") == stage
    tts(call)
    call.audio("p1", pcmBase64="*")
    assert tts(call) == ["p1 failed invalid_pcm_base64"]
    call.run(1.0)
    assert tts(call) == []


def test_a_bad_rate_is_an_error_as_well():
    call = Call().connect()
    call.audio("p1", sampleRate=96_000)
    call.drain()
    assert short(call.events()) == ["error invalid_request", "tts_playback_state p1 failed invalid_sample_rate"]


def test_an_empty_chunk_does_no_harm_to_a_healthy_playback():
    call = Call().connect()
    call.audio("p1", 100)
    call.audio("p1", pcmBase64="")
    call.finish()
    call.run(1.0)
    assert tts(call) == ["p1 buffered", "p1 started", "p1 drained"]


def test_without_a_transport_a_playback_with_an_id_fails():
    call = Call()
    call.audio("p1")
    assert tts(call) == ["p1 failed voice_transport_not_ready"]


def test_failed_ids_are_remembered_up_to_a_bound():
    call = Call()
    for number in range(TOMBSTONES + 1):
        call.audio(f"p{number}")
    tts(call)
    call.audio("p1")
    call.audio("p0")
    assert tts(call) == ["p1 failed playback_already_failed", "p0 failed voice_transport_not_ready"]


def test_too_much_fails_a_playback_with_an_id_and_keeps_nothing():
    call = Call().connect(dave_version=1)
    call.audio("p1", 14_000)
    call.audio("p1", 2_000)
    call.drain()
    events = [event for event in call.events(telemetry=True) if event["type"] != "buffer_depth"]
    overflow = {
        "type": "tts_buffer_overflow",
        "playbackId": "p1",
        "droppedSamples": 96_000,
        "droppedMs": 2_000,
        "bufferSamples": 768_000,
        "bufferMs": 16_000,
    }
    assert events == [
        {"type": TTS, "playbackId": "p1", "status": "buffered"},
        overflow,
        {"type": TTS, "playbackId": "p1", "status": "failed", "reason": "tts_buffer_overflow", "playedMs": 0},
    ]
    assert call.playback._buffer.buffered_samples == 0


def test_too_much_without_an_id_keeps_what_fits():
    call = Call()
    call.audio(None, 14_000)
    call.audio(None, 2_000)
    call.drain()
    events = call.events()
    assert [event["type"] for event in events] == [TTS, "tts_buffer_overflow"]
    assert "playbackId" not in events[1]
    assert call.playback._buffer.buffered_samples == 720_000


# --- without an id ---


def test_an_anonymous_playback_is_buffered_then_idle_by_itself():
    call = Call().connect(None)
    call.audio(None, 100)
    call.run(1.0)
    assert call.events() == [{"type": TTS, "status": "buffered"}, {"type": TTS, "status": "idle"}]
    call.audio(None, 100)
    call.run(1.0)
    assert tts(call) == ["buffered", "idle"]


def test_silent_anonymous_pcm_goes_idle_as_well():
    call = Call().connect(None)
    call.audio(None, 100, level=0)
    call.run(1.0)
    assert tts(call) == ["buffered", "idle"]


@pytest.mark.parametrize("chunk", [{"pcmBase64": "*"}, {"pcmBase64": ""}, {"sampleRate": 96_000}])
def test_a_bad_anonymous_chunk_is_silent(chunk):
    call = Call().connect(None)
    call.audio(None, **chunk)
    call.drain()
    assert call.events() == []


def test_anonymous_audio_may_wait_for_its_transport():
    call = Call()
    call.audio(None, 200)
    call.run(0.5)
    assert tts(call) == ["buffered"]
    call.connect(None)
    call.run(1.0)
    assert len(call.left()) >= 15
    assert tts(call) == ["idle"]


def test_stop_without_an_id_ends_what_is_there_and_nothing_else():
    call = Call().connect(None)
    call.line(type="stop_tts_playback")
    assert tts(call) == []
    call.audio(None, 500)
    call.run(0.1)
    tts(call)
    call.line(type="stop_tts_playback")
    assert tts(call) == ["idle"]


# --- stops ---


def test_stop_is_silent_within_the_slot_and_five_silence_frames_follow():
    call = Call().connect()
    call.audio("p1", 2_000)
    call.run(0.3)
    call.left()
    call.line(type="stop_tts_playback", playbackId="p1")
    assert tts(call)[-1] == "p1 stopped stop_tts_playback"
    call.run(1.0)
    assert call.left() == [SILENCE_FRAME] * 5
    assert tts(call) == []


def test_a_stop_in_the_tail_leaves_five_silence_frames_in_all():
    call = Call().connect()
    call.audio("p1", 60)
    call.run(0.13)
    call.line(type="stop_tts_playback", playbackId="p1")
    call.run(1.0)
    assert speech_and_tail(call.left())[1] == 5


def test_stop_of_another_playback_is_stale():
    call = Call().connect()
    call.audio("p1", 100)
    call.line(type="stop_tts_playback", playbackId="p2")
    assert tts(call) == ["p1 buffered", "p2 failed stale_playback_id"]


@pytest.mark.parametrize("stage", ["buffered", "started", "finishing_unheard", "finishing"])
def test_stop_playback_stops_speech_in_every_state_and_shows_an_idle_player(stage):
    call = Call().connect()
    call.audio("p1", 500)
    call.drain()
    if stage in ("started", "finishing"):
        call.run(0.1)
    if stage.startswith("finishing"):
        call.finish()
        call.drain()
    assert call.state("playback") == stage
    tts(call)
    call.line(type="stop_playback")
    call.drain()
    assert short(call.events()) == [
        "tts_playback_state p1 stopped stop_playback",
        "player_state idle",
        "playback_armed stop_playback",
    ]


def test_stop_playback_without_a_transport_arms_nothing():
    call = Call()
    call.line(type="stop_playback")
    call.drain()
    assert short(call.events()) == ["player_state idle"]


def test_a_new_playback_right_after_a_stop_begins_with_its_own_first_word():
    call = Call().connect()
    call.audio("p1", 500)
    call.run(0.2)
    call.line(type="stop_tts_playback", playbackId="p1")
    call.audio("p2", 100)
    call.finish("p2")
    call.run(1.0)
    assert tts(call) == [
        "p1 buffered",
        "p1 started",
        "p1 stopped stop_tts_playback",
        "p2 buffered",
        "p2 started",
        "p2 drained",
    ]


# --- the way out ---


def test_speaking_is_announced_before_the_first_packet_and_ended_after_the_last():
    call = Call().connect()
    call.server.new_ops()
    call.audio("p1", 60)
    call.finish()
    call.run(1.0)
    assert [d["speaking"] for op, d in call.server.json_sent() if op == 5] == [0, 1, 0]


def test_speech_is_held_while_the_gate_is_closed_and_begins_when_the_group_exists():
    call = Call().connect(dave_version=1)
    call.audio("p1", 100)
    call.finish()
    call.run(3.0)
    assert (call.left(), tts(call)) == ([], ["p1 buffered"])
    call.server.external_sender()
    call.server.welcome(0)
    call.run(1.0)
    assert tts(call) == ["p1 started", "p1 drained"]
    assert not any(in_clear(frame) for frame in call.left())


def test_a_packet_sealed_before_a_change_of_key_is_sealed_anew_and_not_lost():
    call = Call().establish(42)
    call.audio("p1", 200)
    call.finish()
    call.drain()
    call.server.commit(0)  # the first packet waits in its slot
    call.pump.step()
    call.run(1.0)
    assert speech_and_tail(call.left()) in ((10, 5), (11, 5))
    assert tts(call) == ["p1 buffered", "p1 started", "p1 drained"]


def test_a_lost_link_keeps_what_was_not_said():
    call = Call().connect()
    call.audio("p1", 1_000)
    call.finish()
    call.run(0.2)
    before = len(call.left())
    call.server.lost()
    call.run(1.1)
    assert call.left() == []
    assert tts(call) == ["p1 buffered", "p1 started"]
    call.server.handshake(0)
    call.run(2.0)
    speech, tail = speech_and_tail(call.left())
    assert 50 <= before + speech <= 51
    assert tail == 5
    assert tts(call) == ["p1 drained"]


def test_audio_during_a_lost_link_is_taken():
    call = Call().connect()
    call.server.lost()
    call.drain()
    call.audio("p1", 60)
    assert tts(call) == ["p1 buffered"]
    call.line(type="stop_playback")
    call.drain()
    assert "playback_armed stop_playback" not in short(call.events())


def test_one_frame_that_cannot_be_encrypted_is_lost_alone(monkeypatch):
    call = Call().establish(42)
    call.audio("p1", 400)
    call.finish()
    call.run(0.1)
    monkeypatch.setattr(FakeEngine, "refuse_encrypt", True)
    call.run(0.1)
    monkeypatch.setattr(FakeEngine, "refuse_encrypt", False)
    call.run(1.0)
    assert tts(call) == ["p1 buffered", "p1 started", "p1 drained"]


@pytest.mark.parametrize("fault", ["encrypt", "send"])
@pytest.mark.parametrize("playback_id", ["p1", None])
def test_half_a_second_of_failures_fails_the_playback_with_one_error(monkeypatch, fault, playback_id):
    call = Call().establish(42)
    call.audio(playback_id, 5_000)
    call.run(0.1)
    call.events()
    if fault == "encrypt":
        monkeypatch.setattr(FakeEngine, "refuse_encrypt", True)
    else:
        call.udp.broken = True
    call.run((FAILURE_LIMIT - 3) * 0.02)
    assert call.events() == []
    call.run(0.5)
    events = call.events()
    assert [event["type"] for event in events] == ["error", TTS]
    assert (events[0]["code"], events[0]["role"], events[0]["connectionId"]) == ("voice_runtime_error", "voice", "c1")
    assert events[1]["status"] == ("failed" if playback_id else "idle")
    call.run(2.0)
    assert call.events() == []


def test_a_second_playback_over_a_broken_way_fails_as_well():
    call = Call().connect()
    call.udp.broken = True
    for name in ("p1", "p2"):
        call.audio(name, 2_000)
        call.run(1.5)
        assert tts(call) == [f"{name} buffered", f"{name} failed transport_send_failed"]


# --- telemetry ---


def test_every_chunk_with_an_id_is_answered_with_the_depth():
    call = Call().connect(dave_version=1)
    call.audio("p1", 100)
    call.audio("p1", 100)
    call.drain()
    depths = [event["ttsSamples"] for event in call.events(telemetry=True) if event["type"] == "buffer_depth"]
    assert depths == [4_800, 9_600]


def test_the_depth_is_told_every_half_second_and_once_when_it_is_zero():
    call = Call().connect(None)
    call.audio(None, 1_200)
    call.run(4.0)
    depths = [event["ttsSamples"] for event in call.events(telemetry=True) if event["type"] == "buffer_depth"]
    assert len(depths) == 3
    assert depths[0] > depths[1] > depths[2] == 0


def test_pcm_is_wiped_once_it_was_taken():
    call = Call().connect()
    pcm = bytearray(b"\x01\x02" * 480)
    call.told(PlayTts(playback_id="p1", pcm=pcm, refusal=None, sample_rate_hz=48_000), call.playback)
    assert not any(pcm)
