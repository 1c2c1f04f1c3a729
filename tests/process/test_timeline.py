"""What the real process says of captured speech beside the PCM: when it was made, what it was, what became of it."""

import pytest

from clankvox.demo.parent import Event, UserAudio
from tests.support.process_call import FRAME_SAMPLES, RATE_HZ, TRAILING_SILENCE, chirp, pcm_of, write_wav

BAD_NETWORK = {"loss": 0.05, "jitterMs": 30, "reorder": 0.02, "duplicate": 0.01, "seed": 7}
FIRST_LATE_MS = 30 + 55
"""A talkspurt's first packet says when it began: it may have its jitter, and be held back behind others."""
SPURT = chirp(1.2)
SPURTS = 3


def utterances(call, user):
    """(pieces, segment) of each utterance of a user that has ended."""
    found, pieces, segment = [], [], None
    for entry in call.entries:
        if isinstance(entry, UserAudio) and str(entry.user_id) == user:
            assert segment is None, "PCM behind its segment"
            pieces.append(entry)
        elif isinstance(entry, Event) and entry.body.get("userId") == user:
            if entry.type == "segment":
                segment = entry.body
            elif entry.type == "user_audio_end":
                found.append((pieces, segment))
                pieces, segment = [], None
    return found


def assert_balanced(stats):
    assert stats["arrived"] + stats["missing"] == sum(stats["fates"].values()) + stats["pending"]


def test_on_a_bad_network_both_ways_a_talkspurt_lasts_as_long_as_it_lasted_and_the_ledger_balances(call, tmp_path):
    word = write_wav(tmp_path / "spurt.wav", SPURT)
    call.discord.order({"type": "impair", "userId": call.me, "direction": "both", **BAD_NETWORK})
    users = [call.add(file=word, loop=True, pauseMs=900, startMs=500) for _ in range(2)]
    for user in users:
        call.subscribe(user, timeline=True, preRollMs=500, minSpeechMs=200, silenceDurationMs=400)
    call.say(chirp(3.0, rate_hz=24_000), "p1")
    call.wait_said("p1")
    for user in users:
        since = call.start
        for _ in range(SPURTS):
            call.wait_for("user_audio_end", since=since, userId=user)
            since = 1 + next(
                number
                for number, entry in enumerate(call.vox.entries)
                if number >= since
                and isinstance(entry, Event)
                and (entry.type, entry.body.get("userId")) == ("user_audio_end", user)
            )
        ends = [[end.body["startMs"], end.body["endMs"]] for end in call.events_of("user_audio_end", userId=user)]
        missed = call.missed_by(user)
        for pieces, segment in utterances(call, user)[:SPURTS]:
            samples = len(pcm_of(pieces))
            assert -FRAME_SAMPLES <= samples - len(SPURT) <= (TRAILING_SILENCE + 1 + missed) * FRAME_SAMPLES
            times = [piece.timing.media_time for piece in pieces]
            assert times == sorted(times)
            assert -FIRST_LATE_MS <= segment["endMs"] - segment["startMs"] - samples / 48 <= 45 + 20 * missed
            assert segment["startMs"] * 48 == pytest.approx(times[0], abs=1)
            assert [segment["startMs"], segment["endMs"]] in ends
            assert segment["peak"] == max(piece.peak for piece in pieces)
            assert segment["speechMs"] >= 1_000
            assert -30 < segment["meanLevelDbfs"] < -5
            assert all(abs(piece.timing.arrival - piece.timing.media_time) < RATE_HZ // 5 for piece in pieces)
    for user in users:
        call.remove(user)
        ended = call.wait_for("stream_stats", userId=user, ended=True).body
        assert_balanced(ended)
        assert ended["fates"]["recovered"] + ended["fates"]["concealed"] > 0
        assert ended["fates"]["noKey"] + ended["fates"]["boundaryDropped"] == 0


def test_a_capture_that_asked_for_nothing_gets_neither_timing_nor_segment(call, tmp_path):
    user = call.add(file=write_wav(tmp_path / "spurt.wav", SPURT), startMs=200)
    call.subscribe(user, "k1", silenceDurationMs=200)
    call.wait_for("user_audio_end", userId=user)
    ((pieces, segment),) = utterances(call, user)
    assert segment is None
    assert {piece.timing for piece in pieces} == {None}
    assert call.events_of("user_audio_end")[0].body.keys() == {"type", "userId", "captureId"}


def test_a_cough_is_no_utterance_for_a_capture_that_wants_a_minimum_of_speech(call, tmp_path):
    cough = call.add(file=write_wav(tmp_path / "cough.wav", chirp(0.1)), startMs=200)
    call.subscribe(cough, "k1", silenceDurationMs=200, minSpeechMs=300)
    call.wait_for("speaking_end", userId=cough)
    word = call.add(file=write_wav(tmp_path / "spurt.wav", SPURT), startMs=200)
    call.subscribe(word, "k2", silenceDurationMs=200, minSpeechMs=300)
    call.wait_for("user_audio_end", userId=word)
    assert utterances(call, cough) == []
    assert call.audio_of(cough, "k1") == []
    call.remove(cough)
    ended = call.wait_for("stream_stats", userId=cough, ended=True).body
    assert_balanced(ended)
    assert ended["fates"]["unspoken"] >= 5
    assert call.events_of("user_audio_end", userId=cough) == []
