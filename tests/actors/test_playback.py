"""TTS as the parent sees it, and as it leaves: statuses by dialect, refusals, stops, holds, failures."""

import numpy as np
import pytest

from clankvox.actors.playback import TOMBSTONES
from clankvox.actors.transmission import FAILURE_LIMIT
from clankvox.media.frame_ledger import FrameFate
from clankvox.messages.music import SourceStarted
from clankvox.messages.playback import AwaitQuiet, GateChanged, PlayTts
from clankvox.ports import LOW_SLOTS
from clankvox.wire.rtp import SILENCE_FRAME
from tests.support.factory import Call, in_clear, short
from tests.support.fake_mls import FakeEngine
from tests.support.music import SLOPE_1_KHZ, steepest, stereo_tone
from tests.support.spoken import decode_stereo

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


@pytest.mark.parametrize(("fault", "error"), [("encrypt", ["error"]), ("send", [])])
@pytest.mark.parametrize("playback_id", ["p1", None])
def test_half_a_second_of_failures_fails_the_playback_with_an_error_if_it_was_encryption(
    monkeypatch, fault, error, playback_id
):
    """A socket that refuses is the connection's business, which mends it; at an error with a role parents hang up."""
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
    assert [event["type"] for event in events] == [*error, TTS]
    for told in events[:-1]:
        assert (told["code"], told["role"], told["connectionId"]) == ("voice_runtime_error", "voice", "c1")
    assert events[-1]["status"] == ("failed" if playback_id else "idle")
    call.run(2.0)
    assert call.events() == []


@pytest.mark.parametrize(("fault", "errors"), [("encrypt", 1), ("send", 0)])
def test_music_that_nobody_hears_is_no_reason_to_say_so_again_and_again(monkeypatch, fault, errors):
    call = Call().establish(42)
    source = music(call)
    listen(call, 0.5, source)
    call.events()
    monkeypatch.setattr(FakeEngine, "refuse_encrypt", fault == "encrypt")
    call.udp.broken = fault == "send"
    listen(call, 3.0, source)
    assert [event["type"] for event in call.events() if event["type"] == "error"] == ["error"] * errors
    monkeypatch.setattr(FakeEngine, "refuse_encrypt", False)
    call.udp.broken = False
    listen(call, 0.5, source)
    monkeypatch.setattr(FakeEngine, "refuse_encrypt", fault == "encrypt")
    listen(call, 1.0, source)
    assert len([event for event in call.events() if event["type"] == "error"]) == errors, (
        "another time is another error"
    )


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


# --- how much was heard ---


def test_every_end_of_a_playback_says_how_much_of_it_crossed_the_wire():
    call = Call().connect()
    call.audio("p1", 2_000)
    call.run(0.5)
    call.line(type="stop_tts_playback", playbackId="p1")
    call.drain()
    sent = speech_and_tail(call.left())[0]
    assert call.events()[-1] == {
        "type": TTS, "playbackId": "p1", "status": "stopped", "reason": "stop_tts_playback", "playedMs": sent * 20,
    }  # fmt: skip
    call.audio("p2", 200)
    call.run(0.1)
    call.audio("p2", pcmBase64="*")
    call.drain()
    assert 0 < call.events()[-1]["playedMs"] < 100


def test_what_was_never_under_way_has_no_position_and_nor_has_what_has_no_id():
    call = Call().connect(None)
    call.finish("p9")
    call.audio(None, 60)
    call.run(1.0)
    assert not any("playedMs" in event for event in call.events())


def test_the_position_is_told_every_second_of_a_playback_with_an_id():
    call = Call().connect()
    call.audio("p1", 2_500)
    call.run(3.0)
    call.audio("p2", 20)  # stale
    told = [event for event in call.events(telemetry=True) if event["type"] == "playback_position"]
    assert told == [{"type": "playback_position", "playbackId": "p1", "playedMs": ms} for ms in (1_000, 2_000)]
    anonymous = Call().connect(None)
    anonymous.audio(None, 2_500)
    anonymous.run(3.0)
    assert not any(event["type"] == "playback_position" for event in anonymous.events(telemetry=True))


def test_the_ledger_has_one_fate_for_every_frame_over_losses_stops_and_changes_of_key():
    call = Call().establish(42)
    call.audio("p1", 1_000)
    call.run(0.2)
    call.server.commit(0)
    call.run(0.2)
    call.line(type="stop_tts_playback", playbackId="p1")
    call.audio("p2", 1_000)
    call.run(0.2)
    call.udp.broken = True
    call.run(0.1)
    call.udp.broken = False
    call.server.lost()
    call.run(0.1)
    assert call.ledger.resealed
    call.ledger.check(call.playback._transmission.pending_frames)
    assert call.ledger.fates[FrameFate.SENT] == len(call.left())
    assert all(call.ledger.fates[fate] for fate in (FrameFate.REFUSED, FrameFate.DROPPED))


def test_speech_whose_last_frames_have_not_left_when_the_call_ends_was_stopped_and_not_drained():
    call = Call().connect()
    call.audio("p1", 20)
    call.finish()
    call.drain()
    call.server.lost()
    call.drain()
    assert call.playback._transmission.has_unsent
    tts(call)
    call.line(type="leave")
    assert tts(call) == ["p1 stopped explicit_leave"]
    call.ledger.check(0)


# --- music under speech ---


def music(call, name="m1", seconds=10.0, *, tones=True):
    """Play a piece whose PCM is all there; `tones` that every discontinuity shows in, or a constant level."""
    ids = {} if name is None else {"musicId": name}
    call.line(type="music_play", url="https://example.com/a", resolvedDirectUrl=True, **ids)
    call.drain()
    source = call.sources.last
    pcm = stereo_tone(int(seconds * 48_000)) if tones else np.full((int(seconds * 48_000), 2), 4_000, np.int16)
    source.pcm = pcm
    return refill(call, source)


def refill(call, source):
    """Give the source's buffer what fits, as its thread would."""
    first = not source.buffer.buffered_samples and not source.buffer.played_samples
    while len(source.pcm) and source.buffer.put_now(source.pcm[:960]):
        source.pcm = source.pcm[960:]
    if first:
        source._tell(SourceStarted(attempt=source.attempt))
    if not len(source.pcm) and not source.buffer.finished:
        source.end()
    call.drain()
    return source


def listen(call, seconds, *sources):
    """Let time pass while sources go on; returns the payloads that left."""
    frames = []
    for _ in range(int(seconds / 0.1 + 0.5)):
        call.run(0.1)
        for source in sources:
            refill(call, source)
        frames += call.left()
    return frames


def test_music_leaves_in_every_slot_and_five_silence_frames_follow_its_end():
    call = Call().connect()
    source = music(call, seconds=3.0)
    frames = listen(call, 4.0, source)
    assert speech_and_tail(frames) == (151, 5)  # one more, for what the encoder holds
    assert frames[-5:] == [SILENCE_FRAME] * 5
    assert source.buffer.played_samples == 3 * 48_000


def test_what_is_heard_of_music_has_no_discontinuity_through_pause_resume_gain_and_speech():
    call = Call().connect()
    source = music(call)
    frames = listen(call, 2.0, source)
    call.line(type="music_pause", musicId="m1")
    frames += listen(call, 0.5, source)
    call.line(type="music_resume", musicId="m1")
    frames += listen(call, 0.5, source)
    call.line(type="music_set_gain", musicId="m1", target=0.2, fadeMs=150)
    call.audio("p1", 400, level=0)
    call.finish()
    frames += listen(call, 1.0, source)
    call.line(type="music_set_gain", musicId="m1", target=1.0, fadeMs=150)
    frames += listen(call, 1.0, source)
    call.line(type="music_stop", musicId="m1")
    frames += listen(call, 1.0, source)
    assert steepest(decode_stereo(frames)[1_000:]) < 8_000 * SLOPE_1_KHZ * 1.2
    assert tts(call) == ["p1 buffered", "p1 drained"]


def test_a_pause_of_ten_minutes_keeps_the_place_and_makes_no_burst():
    call = Call().connect()
    source = music(call)
    listen(call, 2.0, source)
    call.line(type="music_pause", musicId="m1")
    listen(call, 1.0, source)
    place, buffered = source.buffer.played_samples, source.buffer.buffered_samples
    for _ in range(60):
        call.server.acknowledge()  # or the connection would be given up
        call.run(10.0)
    assert call.left() == []
    assert (source.buffer.played_samples, source.buffer.buffered_samples) == (place, buffered)
    call.line(type="music_resume", musicId="m1")
    frames = listen(call, 1.0, source)
    assert 50 <= len(frames) <= 51
    assert source.buffer.played_samples == place + len(frames) * 960


def test_a_lost_link_freezes_music_in_its_place_and_a_fade_still_ends():
    call = Call().connect()
    source = music(call)
    before = len(listen(call, 2.0, source))
    call.server.lost()
    call.drain()
    call.line(type="music_set_gain", musicId="m1", target=0.5, fadeMs=100)
    call.drain()
    assert call.playback._mixer.next_due() is not None
    call.run(1.2)
    assert call.playback._mixer.next_due() is None
    assert call.left() == []
    call.server.handshake(0)
    after = listen(call, 1.0, source)
    assert len(after) <= 51
    assert source.buffer.played_samples == (before + len(after)) * 960


def test_speech_in_front_of_loud_music_is_refused_with_an_id_and_mixed_without():
    call = Call().connect()
    source = music(call)
    listen(call, 0.5, source)
    call.audio("p1", 100)
    assert tts(call)[-1] == "p1 failed music_not_ducked"
    call.audio(None, 100)
    listen(call, 1.0, source)
    assert tts(call) == ["buffered", "idle"]


def test_a_chunk_that_says_nothing_does_no_harm_though_music_is_loud_again():
    call = Call().connect()
    source = music(call)
    call.line(type="music_set_gain", target=0.2)
    call.audio("p1", 200)
    call.line(type="music_set_gain", target=1.0, fadeMs=2_000)
    call.audio("p1", pcmBase64="")
    call.finish()
    call.audio("p1", 200)
    listen(call, 1.0, source)
    assert tts(call) == ["p1 buffered", "p1 started", "p1 drained"]


@pytest.mark.parametrize(
    "made_room",
    [
        {"type": "music_set_gain", "musicId": "m1", "target": 0.99, "fadeMs": 10_000},
        {"type": "music_pause", "musicId": "m1"},
        {"type": "music_stop", "musicId": "m1"},
        {"type": "duck", "target": 0.3, "attackMs": 50, "releaseMs": 300},
    ],
)
def test_speech_right_behind_a_command_that_makes_room_is_taken(made_room):
    call = Call().connect()
    listen(call, 0.5, music(call))
    call.line(**made_room)
    call.audio("p1", 100)
    call.finish()
    call.run(1.0)
    assert tts(call) == ["p1 buffered", "p1 started", "p1 drained"]


@pytest.mark.parametrize("what", ["play", "stop", "pause", "end", "nothing", "fail", "starve"])
@pytest.mark.parametrize("when", [0.30, 0.42, 0.46, 0.50])
def test_a_finished_playback_drains_once_five_slots_later_whatever_music_does_in_its_tail(what, when):
    call = Call().connect()
    call.line(type="duck", target=0.3, attackMs=50, releaseMs=300)
    source = music(call, seconds=1.8 if what == "starve" else 20.0)
    listen(call, 1.5, source) if what != "starve" else call.run(1.5)
    call.audio("p1", 360)
    call.finish()
    call.run(when)
    match what:
        case "play":
            music(call, "m2")
        case "end":
            source.pcm = source.pcm[:0]
            refill(call, source)
        case "fail":
            source.fail()
        case "stop" | "pause":
            call.line(type=f"music_{what}", musicId="m1")
    call.run(0.55 - when)
    assert tts(call) == ["p1 buffered", "p1 started", "p1 drained"]
    call.run(3.0)
    assert tts(call) == []


def test_the_end_of_speech_under_music_is_told_five_slots_after_it_and_music_goes_on():
    call = Call().connect()
    call.line(type="duck", target=0.3)
    source = music(call)
    listen(call, 0.5, source)
    call.audio("p1", 200)
    call.finish()
    frames = listen(call, 1.0, source)
    assert tts(call) == ["p1 buffered", "p1 started", "p1 drained"]
    assert SILENCE_FRAME not in frames


def test_stopped_speech_under_music_is_gone_with_a_ramp_and_music_goes_on():
    call = Call().connect()
    call.line(type="music_set_gain", target=0.001)
    source = music(call, tones=False)
    listen(call, 0.5, source)
    call.audio("p1", 1_000)
    frames = listen(call, 0.5, source)
    call.line(type="stop_tts_playback", playbackId="p1")
    call.drain()
    frames += (after := listen(call, 0.5, source))
    assert SILENCE_FRAME not in after
    heard = decode_stereo(frames)
    assert steepest(heard) < 8_000 * 2 * np.pi * 440 / 48_000 * 1.3
    assert np.abs(heard[-960 * 20 :]).max() < 50


def test_stop_playback_ends_both_and_nothing_stays_in_the_pacer():
    call = Call().connect()
    call.line(type="duck", target=0.3)
    source = music(call)
    listen(call, 0.5, source)
    call.audio("p1", 1_000)
    call.run(0.3)
    call.left()
    call.line(type="stop_playback")
    call.run(0.5)
    frames = call.left()
    assert speech_and_tail(frames)[0] <= 3
    assert frames[-5:] == [SILENCE_FRAME] * 5
    assert call.pacer.due() is None
    assert source.buffer.closed


def test_music_without_an_id_waits_for_the_end_of_an_announcement_without_one():
    call = Call().connect(None)
    call.audio(None, 400)
    call.run(0.1)
    music(call, None)
    call.run(0.2)
    assert "player_state playing" not in short(call.events())
    call.run(0.5)
    assert short(call.events()) == ["tts_playback_state idle", "player_state playing"]


@pytest.mark.parametrize("end", ["stop_playback", "leave"])
def test_music_that_waits_for_the_end_of_an_announcement_does_not_begin_when_both_are_ended(end):
    call = Call().connect(None)
    call.audio(None, 600)
    music(call, None)
    call.run(0.1)
    call.events()
    call.line(type=end)
    call.run(0.1)
    told = short(call.events())
    assert "player_state idle" in told
    assert "player_state playing" not in told


def test_the_depth_of_music_is_told_and_is_zero_in_the_end():
    call = Call().connect()
    source = music(call, seconds=1.2)
    call.run(0.6)
    refill(call, source)
    call.run(4.0)
    depths = [event["musicSamples"] for event in call.events(telemetry=True) if event["type"] == "buffer_depth"]
    assert depths == sorted(depths, reverse=True)
    assert depths[0] > 20_000
    assert depths[-1] == 0


def test_a_source_that_is_too_slow_is_counted_and_what_is_heard_does_not_click():
    call = Call().connect()
    source = music(call, seconds=10.0)
    frames = listen(call, 2.0, source)
    call.run(3.0)  # the source has stalled
    frames += call.left()
    assert call.ledger.music_underruns == 1
    frames += listen(call, 2.0, source)
    assert steepest(decode_stereo(frames)[1_000:]) < 8_000 * SLOPE_1_KHZ * 1.2


def test_the_last_one_who_asks_for_quiet_is_answered_once():
    call = Call().connect(None)
    call.audio(None, 200)
    call.drain()
    call.told(AwaitQuiet(track=91), call.playback)
    call.told(AwaitQuiet(track=92), call.playback)
    assert call.playback._quiet_for == 92
    call.run(1.0)
    assert call.playback._quiet_for is None


# --- ahead of the slots ---


def test_speech_waits_ahead_of_its_slots_and_a_stop_says_what_was_heard_of_it():
    call = Call().connect()
    call.audio("p1", 2_000)
    call.run(0.5)
    assert call.playback._transmission.pending_frames > LOW_SLOTS
    call.line(type="stop_tts_playback", playbackId="p1")
    call.drain()
    heard, _ = speech_and_tail(call.left())
    call.run(1.0)
    assert speech_and_tail(call.left()) == (0, 5)
    (stopped,) = [event for event in call.events() if event.get("status") == "stopped"]
    assert stopped["playedMs"] == 20 * heard


def test_what_has_music_in_it_waits_one_slot_ahead_so_that_no_order_comes_late():
    call = Call().connect()
    music(call)
    call.run(0.5)
    assert call.playback._transmission.pending_frames == 1
    call.audio(None, 1_000)
    call.run(0.5)
    assert call.playback._transmission.pending_frames == 1


def test_a_change_of_the_group_seals_what_waits_anew_before_its_slot():
    call = Call().connect()
    call.audio("p1", 2_000)
    call.run(0.5)
    waiting = call.playback._transmission.pending_frames
    call.cipher.accept_clear_until(0.0)
    call.playback.handle(GateChanged())
    assert call.ledger.resealed == waiting
    call.run(0.5)
    assert call.pacer.statistics().slots == len(call.left())
    assert call.ledger.resealed == waiting
