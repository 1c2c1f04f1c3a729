"""What the real process says: to whom it may, all of it, in order; and what it tells of it."""

import base64
import wave

import numpy as np
import pytest

from clankvox.demo.alignment import align
from tests.support.process_call import FRAME_SAMPLES, RATE_HZ, chirp, eventually, loudest_hz

SECOND = chirp(1.0, rate_hz=24_000)
RING_SAMPLES = 720_000
"""What the buffer holds: 15 s at 48 kHz."""


def heard(folder, call):
    """The left channel of what a member recorded of us."""
    with wave.open(str(folder / f"{call.me}.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)[::2]


def statuses(call, playback_id):
    return [event.body["status"] for event in call.events_of("tts_playback_state", playbackId=playback_id)]


def silence_frames(call):
    return call.seen()["silenceFrames"]


def sent_packets(call):
    return call.seen()["packets"]


def buffered_samples(call):
    return [event.body["ttsSamples"] for event in call.events_of("buffer_depth")]


def test_alone_in_a_channel_nothing_leaves_and_what_was_said_is_heard_in_full_by_the_first_who_comes(call, tmp_path):
    call.say(SECOND, "p1")
    call.wait_for("tts_playback_state", status="buffered")
    eventually(lambda: buffered_samples(call).count(2 * len(SECOND)) >= 3, "a second of waiting, by two reports")
    assert sent_packets(call) == 0
    assert call.told()[-1] == {"type": "tts_playback_state", "playbackId": "p1", "status": "buffered"}
    listener = call.listener(tmp_path)
    call.wait_said("p1")
    assert statuses(call, "p1") == ["buffered", "started", "drained"]
    eventually(lambda: call.seen(listener)["decrypted"].get(call.me) == sent_packets(call), "all was heard")
    assert call.room()["version"] == 1
    assert call.leaked_frames() == 0
    call.remove(listener)
    found = align(chirp(1.0), heard(tmp_path, call))
    assert found.lost_ms == 0
    assert found.snr_db > 12


def test_two_playbacks_one_after_the_other_are_both_heard_in_order_and_end_with_five_silence_frames(call, tmp_path):
    listener = call.listener(tmp_path)
    for playback_id, hz in (("p1", 500), ("p2", 1_500)):
        call.say(chirp(0.6, hz, hz, rate_hz=24_000), playback_id)
        call.wait_said(playback_id)
    eventually(lambda: silence_frames(call) == 10, "the silence behind both")
    assert statuses(call, "p1") == statuses(call, "p2") == ["buffered", "started", "drained"]
    call.remove(listener)
    pcm = heard(tmp_path, call)
    loud = np.flatnonzero(np.abs(pcm.astype(int)) > 3_000)
    first, last = loud[0], loud[-1]
    assert loudest_hz(pcm[first + 4_800 : first + 14_400]) == pytest.approx(500, abs=10)
    assert loudest_hz(pcm[last - 14_400 : last - 4_800]) == pytest.approx(1_500, abs=10)


TRIES = 3
"""A busy machine misses a slot now and then, which is heard; a seam is there every time."""


@pytest.mark.parametrize(("rate_hz", "chunk"), [(8_000, 1_001), (11_025, 333), (44_100, 4_801), (48_000, 65_535)])
def test_odd_chunks_at_any_rate_are_one_sound_without_a_seam(call, tmp_path, rate_hz, chunk):
    for attempt in range(1, TRIES + 1):
        folder = tmp_path / str(attempt)
        listener = call.listener(folder)
        call.say(chirp(0.7, 300, 2_000, rate_hz=rate_hz), f"p{attempt}", rate_hz, chunk)
        call.wait_said(f"p{attempt}")
        eventually(lambda silent=5 * attempt: silence_frames(call) == silent, "the end")
        call.remove(listener)
        pcm = heard(folder, call)
        if not align(chirp(0.7, 300, 2_000), pcm).slipped_ms:
            break
    found = align(chirp(0.7, 300, 2_000), pcm)
    assert (found.lost_ms, found.slipped_ms) == (0, 0)
    assert found.snr_db > 12
    loud = np.flatnonzero(np.abs(pcm.astype(int)) > 1_500)
    assert abs(loud[-1] - loud[0] - 0.7 * RATE_HZ) < FRAME_SAMPLES


def test_a_stop_is_followed_by_silence_frames_and_by_nothing_else(call, tmp_path):
    call.listener(tmp_path)
    call.say(np.tile(SECOND, 8), "p1")
    call.wait_said("p1", "started")
    call.vox.send({"type": "stop_tts_playback", "playbackId": "p1"})
    stopped = call.wait_for("tts_playback_state", playbackId="p1", status="stopped").body
    assert stopped["reason"] == "stop_tts_playback"
    eventually(lambda: silence_frames(call) == 5, "the silence behind it")
    ended = call.seen()
    assert ended["packets"] == ended["daveFrames"] + ended["silenceFrames"] < 8 * 50
    assert (ended["seqGaps"], ended["timestampAnomalies"]) == (0, 0)
    call.say(SECOND, "p2")
    call.wait_said("p2", "started")
    assert statuses(call, "p1") == ["buffered", "started", "stopped"]
    assert (call.seen()["seqGaps"], call.seen()["timestampAnomalies"]) == (0, 0)


def test_stop_playback_stops_speech_shows_an_idle_player_and_arms(call, tmp_path):
    call.listener(tmp_path)
    call.say(np.tile(SECOND, 8), "p1")
    call.wait_said("p1", "started")
    since = call.vox.mark()
    call.vox.send({"type": "stop_playback"})
    call.wait_for("playback_armed", since=since)
    stopped, *rest = call.told(since)
    assert stopped.pop("playedMs") % 20 == 0
    assert [stopped, *rest] == [
        {"type": "tts_playback_state", "playbackId": "p1", "status": "stopped", "reason": "stop_playback"},
        {"type": "player_state", "status": "idle"},
        {"type": "playback_armed", "reason": "stop_playback"},
    ]


def audio(playback_id, pcm=bytes(960), **changed):
    fields = {"type": "audio", "playbackId": playback_id, "pcmBase64": base64.b64encode(pcm).decode(), **changed}
    return {name: value for name, value in fields.items() if value is not None}


@pytest.mark.parametrize(
    ("chunk", "reason"),
    [
        ({"pcmBase64": "A"}, "invalid_pcm_base64"),
        ({"pcmBase64": "AAAA\n"}, "invalid_pcm_base64"),
        ({"pcmBase64": "AA-_"}, "invalid_pcm_base64"),
        ({"pcmBase64": ""}, "empty_pcm"),
        ({"sampleRate": 7_999}, "invalid_sample_rate"),
        ({"sampleRate": 48_001}, "invalid_sample_rate"),
        ({"sampleRate": 0}, "invalid_sample_rate"),
    ],
)
def test_a_bad_chunk_fails_its_playback_with_the_contracts_reason_for_good(call, chunk, reason):
    name = f"p {chunk}"
    since = call.vox.mark()
    call.vox.send(audio(name, **chunk))
    call.vox.send(audio(name))
    call.wait_for("tts_playback_state", since=since, playbackId=name, reason="playback_already_failed")
    told = call.told(since)
    if reason == "invalid_sample_rate":
        assert (told.pop(0)["code"]) == "invalid_request"
    assert told == [
        {"type": "tts_playback_state", "playbackId": name, "status": "failed", "reason": why}
        for why in (reason, "playback_already_failed")
    ]


def test_another_playback_beside_one_that_is_not_over_is_stale(call):
    call.vox.send(audio("long"))
    call.vox.send(audio("stale 1"))
    call.vox.send({"type": "stop_tts_playback", "playbackId": "stale 2"})
    call.vox.send({"type": "stop_tts_playback", "playbackId": "long"})
    call.wait_for("tts_playback_state", playbackId="long", status="stopped")
    ends = [event.body for event in call.events_of("tts_playback_state") if event.body["status"] != "buffered"]
    assert [(end["playbackId"], end["status"], end["reason"]) for end in ends] == [
        ("stale 1", "failed", "stale_playback_id"),
        ("stale 2", "failed", "stale_playback_id"),
        ("long", "stopped", "stop_tts_playback"),
    ]


def test_more_than_15_seconds_fail_a_playback_with_an_id_and_all_of_it_is_dropped(call):
    call.vox.send(audio("long", bytes(2 * 8_000 * 14), sampleRate=8_000))
    call.wait_for("tts_playback_state", status="buffered")
    since = call.vox.mark()
    call.vox.send(audio("long", bytes(2 * 8_000 * 2), sampleRate=8_000))
    call.wait_for("tts_playback_state", status="failed")
    overflow, failed = call.told(since)
    assert failed.pop("playedMs") % 20 == 0
    assert failed == {
        "type": "tts_playback_state",
        "playbackId": "long",
        "status": "failed",
        "reason": "tts_buffer_overflow",
    }
    assert overflow == {
        "type": "tts_buffer_overflow",
        "playbackId": "long",
        "droppedSamples": 96_000,  # nothing of the chunk is kept
        "droppedMs": 2_000,
        "bufferSamples": 768_000,
        "bufferMs": 16_000,
    }
    eventually(lambda: buffered_samples(call)[-1] == 0, "an empty buffer")


def test_more_than_15_seconds_without_an_id_are_cut_and_what_fits_is_kept(plain_call):
    call = plain_call
    call.vox.send(audio(None, bytes(2 * 8_000 * 14), sampleRate=8_000))
    call.vox.send(audio(None, bytes(2 * 8_000 * 2), sampleRate=8_000))
    overflow = call.wait_for("tts_buffer_overflow").body
    assert "playbackId" not in overflow
    assert overflow["bufferSamples"] - overflow["droppedSamples"] == RING_SAMPLES
    eventually(lambda: buffered_samples(call)[-1:] == [RING_SAMPLES], "a full buffer")
    assert [event.body["status"] for event in call.events_of("tts_playback_state")] == ["buffered"]


def test_silence_is_said_as_well_but_never_started(call, tmp_path):
    call.listener(tmp_path)
    call.say(bytes(24_000), "p1")
    call.wait_said("p1")
    assert statuses(call, "p1") == ["buffered", "drained"]


def test_speech_is_not_taken_by_a_process_that_is_in_no_call(shared_vox):
    shared_vox.send(audio("early"))
    failed = shared_vox.wait_for("tts_playback_state", playbackId="early").body
    assert (failed["status"], failed["reason"]) == ("failed", "voice_transport_not_ready")


def test_speech_plays_on_when_the_connection_came_back_and_no_frame_of_it_is_lost(call, tmp_path):
    listener = call.listener(tmp_path)
    call.say(chirp(2.0, rate_hz=24_000), "p1")
    call.wait_said("p1", "started")
    since = call.vox.mark()
    call.close(4006)
    call.wait_ready(since)
    call.wait_said("p1")
    assert statuses(call, "p1") == ["buffered", "started", "drained"]
    counted = eventually(lambda: call.seen() if silence_frames(call) >= 5 else None, "the end")
    before = call.seen(listener)["decrypted"][call.me] - counted["packets"]  # those of the first connection
    assert before > 0
    assert before + counted["daveFrames"] >= 2.0 * 50
