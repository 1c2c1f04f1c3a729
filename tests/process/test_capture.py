"""What the real process captures of members who speak: all of it, of each on his own, until it is told to stop."""

import numpy as np
import pytest

from clankvox.demo.alignment import align
from clankvox.demo.parent import Event, UserAudio, VoxParent
from clankvox.loopback.delivery import DeliveryService
from tests.support.hostile import HostileDiscord
from tests.support.process_call import (
    FRAME_SAMPLES,
    RATE_HZ,
    TELEMETRY,
    TRAILING_SILENCE,
    Call,
    chirp,
    eventually,
    loudest_hz,
    pcm_of,
    write_wav,
)

WORD = chirp(0.3)
CODEC_DELAY_MS = 10.0
"""The encoder's look-ahead of 6.5 ms, rounded up."""


@pytest.fixture(scope="module")
def word(tmp_path_factory):
    return write_wav(tmp_path_factory.mktemp("said") / "word.wav", WORD)


def kinds(entries, user):
    """What happened to one user, in order, each kind once in a row: "pcm" or an event's type."""
    names = []
    for entry in entries:
        mine = str(entry.user_id) if isinstance(entry, UserAudio) else entry.body.get("userId")
        name = entry.type if isinstance(entry, Event) else "pcm"
        if mine == user and name not in TELEMETRY and names[-1:] != [name]:
            names.append(name)
    return names


def without_stalls(names):
    """Leave out that a member fell silent amid a word, as its packets stayed away for a while."""
    kept = []
    for name in names:
        if kept[-1:] == ["speaking_end"] and name == "speaking_start":
            kept.pop()
        else:
            kept.append(name)
    return kept


def split(entries, user):
    """The PCM of each utterance of one user: what stands before the marker that ends it."""
    utterances = [[]]
    for entry in entries:
        if isinstance(entry, UserAudio) and str(entry.user_id) == user:
            utterances[-1].append(entry)
        elif isinstance(entry, Event) and entry.type == "user_audio_end" and entry.body["userId"] == user:
            utterances.append([])
    return utterances


def assert_whole(pieces, missed, rate_hz=RATE_HZ):
    """All of WORD is there, its first 20 ms too, and nothing else but the time of the slots that its sender missed."""
    pcm = pcm_of(pieces)
    samples = len(WORD) + TRAILING_SILENCE * FRAME_SAMPLES
    assert abs(len(pcm) * RATE_HZ // rate_hz - samples) <= (1 + missed) * FRAME_SAMPLES
    said = chirp(0.3, rate_hz=rate_hz)
    found = align(said, pcm, rate_hz)
    assert found.lost_ms <= 20 * missed
    assert found.snr_db > 15 or missed
    assert -1.0 < found.delay_ms < CODEC_DELAY_MS
    first = align(said[: rate_hz // 50], pcm[: rate_hz // 25], rate_hz)
    assert first.lost_ms == 0
    assert first.snr_db > 3 or missed


@pytest.mark.parametrize("capture_id", [None, "k" * 300])
def test_the_first_word_is_whole_though_the_capture_is_opened_when_it_is_heard(call, word, capture_id):
    user = call.add(file=word)
    call.wait_for("speaking_start", userId=user)
    call.vox.send({"type": "inspect"})  # the parent takes its time
    call.wait_for("inspect")
    call.subscribe(user, capture_id, silenceDurationMs=400)
    call.wait_for("user_audio_end", userId=user)
    pieces = call.audio_of(user)
    assert {piece.capture_id for piece in pieces} == {capture_id}
    assert_whole(pieces, call.missed_by(user))


def test_the_signal_numbers_of_each_frame_are_those_of_its_pcm(call, word):
    user = call.add(file=word)
    call.subscribe(user, "k", silenceDurationMs=400)
    call.wait_for("user_audio_end", userId=user)
    for piece in call.audio_of(user):
        loudness = np.abs(pcm_of([piece]).astype(int))
        assert piece.samples == FRAME_SAMPLES
        assert (piece.peak, piece.active_samples) == (loudness.max(), np.count_nonzero(loudness > 500))


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 44_100])
def test_speech_comes_at_the_rate_that_was_asked_for(call, word, rate_hz):
    user = call.add(file=word)
    call.subscribe(user, "k", silenceDurationMs=400, sampleRate=rate_hz)
    call.wait_for("user_audio_end", userId=user)
    if rate_hz >= 16_000:
        assert_whole(call.audio_of(user), call.missed_by(user), rate_hz)
    samples = len(pcm_of(call.audio_of(user)))
    wanted = (len(WORD) + TRAILING_SILENCE * FRAME_SAMPLES) * rate_hz // RATE_HZ
    assert abs(samples - wanted) <= (1 + call.missed_by(user)) * FRAME_SAMPLES * rate_hz // RATE_HZ


def test_two_who_speak_at_once_are_two_streams(call):
    tones = {call.add(tone=hz): hz for hz in (440, 1_000)}
    for user in tones:
        call.subscribe(user, f"of {user}")
    for user in tones:
        eventually(lambda user=user: len(call.audio_of(user)) >= 40, "0.8 s of each")
    for user, hz in tones.items():
        pieces = call.audio_of(user)
        assert {piece.capture_id for piece in pieces} == {f"of {user}"}
        assert loudest_hz(pcm_of(pieces)[-24_000:]) == pytest.approx(hz, abs=4)


def test_a_one_shot_capture_is_over_with_its_end_and_a_persistent_one_is_not(call, word):
    once, always = (call.add(file=word, loop=True, pauseMs=900) for _ in range(2))
    call.subscribe(once, "k1", silenceDurationMs=500)
    call.subscribe(always, silenceDurationMs=500)
    eventually(lambda: len(call.events_of("user_audio_end", userId=always)) >= 3, "three words")
    told = without_stalls(kinds(call.events, always))
    assert told[:6] == ["speaking_start", "speaking_end", "user_audio_end"] * 2
    missed = call.missed_by(always)
    first, *others = split(call.entries, always)[:3]
    assert_whole(first, missed)
    for word_again in others:  # the same packets anew, which plain libopus decodes differently behind silence frames
        assert abs(len(word_again) - len(first)) <= missed
        assert align(WORD, pcm_of(word_again)).lost_ms <= 20 * missed
    assert len(call.events_of("user_audio_end", userId=once)) == 1
    ended = call.entries.index(call.events_of("user_audio_end", userId=once)[0])
    behind = kinds(call.entries[ended + 1 :], once)
    assert "pcm" not in behind
    assert "speaking_start" in behind
    shown = [entry.body for entry in call.entries[ended + 1 :] if getattr(entry, "type", "") == "speaking_start"]
    assert {"type": "speaking_start", "userId": once} in shown
    assert "k1" not in [body.get("captureId") for body in shown]


def test_a_new_subscription_ends_a_one_shot_capture_and_changes_a_persistent_one_in_place(call):
    once, always = call.add(tone=440), call.add(tone=550)
    call.subscribe(once, "k1")
    call.subscribe(always)
    for user in (once, always):
        call.vox.wait_for_audio(user)
    call.subscribe(once, "k2")
    call.subscribe(always, sampleRate=16_000)
    eventually(lambda: call.audio_of(once, "k2"), "PCM of the new capture")
    eventually(lambda: call.audio_of(always)[-1].samples == 320, "PCM at the new rate")
    ends = [event.body for event in call.events_of("user_audio_end")]
    assert ends == [{"type": "user_audio_end", "userId": once, "captureId": "k1"}]
    entries = call.entries
    end = entries.index(call.events_of("user_audio_end")[0])
    assert "k1" not in {entry.capture_id for entry in entries[end:] if isinstance(entry, UserAudio)}
    assert "k2" not in {entry.capture_id for entry in entries[:end] if isinstance(entry, UserAudio)}


@pytest.mark.parametrize("capture_id", [None, "k1"])
def test_no_pcm_comes_behind_the_end_that_answers_an_unsubscription(call, capture_id):
    user = call.add(tone=440)
    call.subscribe(user, capture_id)
    call.vox.wait_for_audio(user)
    call.vox.send({"type": "unsubscribe_user", "userId": user})
    call.wait_for("user_audio_end", userId=user)
    forwarded = call.seen()["forwarded"]["packets"]
    eventually(lambda: call.seen()["forwarded"]["packets"] >= forwarded + 25, "more packets")
    before, behind = split(call.entries, user)
    assert before
    assert not behind
    call.vox.send({"type": "unsubscribe_user", "userId": user})
    call.vox.send({"type": "unsubscribe_user", "userId": "999"})
    call.vox.send({"type": "inspect"})
    call.wait_for("inspect")
    assert len(call.events_of("user_audio_end")) == 1


def test_a_member_who_leaves_while_speaking_ends_in_the_contracts_order(call):
    user = call.add(tone=440)
    call.subscribe(user, "k1")
    call.vox.wait_for_audio(user)
    call.remove(user)
    call.wait_for("client_disconnect", userId=user)
    call.wait_for("user_audio_end", userId=user)
    told = [event.type for event in call.events if event.body.get("userId") == user]
    assert [kind for kind in told if kind not in ("user_audio_end", *TELEMETRY)] == [
        "speaking_start",
        "speaking_end",
        "client_disconnect",
    ]
    assert told.count("user_audio_end") == 1
    assert split(call.entries, user)[1] == []


def test_a_capture_of_somebody_who_is_not_there_yet_hears_his_first_word(call, word):
    user = str(int(call.add(tone=200, startMs=86_400_000)) + 1)
    call.subscribe(user, "k1", silenceDurationMs=400)
    assert call.add(file=word) == user
    call.wait_for("user_audio_end", userId=user)
    assert_whole(call.audio_of(user), call.missed_by(user))


def test_a_persistent_capture_may_be_opened_before_the_join(vox, discord, word):
    call = Call(vox, discord, connection_id=None)
    user = str(1_000_000_000)
    call.subscribe(user, silenceDurationMs=400)
    call.enter()
    discord.order({"type": "add_speaker", "userId": user, "serverId": call.guild, "file": str(word)})
    vox.wait_for("user_audio_end", userId=user)
    assert_whole(vox.audio_of(user), call.missed_by(user))


def test_ten_percent_of_loss_and_reordering_neither_shorten_nor_lengthen_what_is_captured(call, tmp_path):
    said = chirp(1.5)
    user = call.add(file=write_wav(tmp_path / "long.wav", said), startMs=300)
    call.subscribe(user, "k1", silenceDurationMs=300)
    call.discord.order(
        {
            "type": "impair",
            "userId": call.me,
            "direction": "down",
            "loss": 0.1,
            "jitterMs": 10,
            "reorder": 0.1,
            "seed": 3,
        }
    )
    call.wait_for("user_audio_end", userId=user)
    pcm = pcm_of(call.audio_of(user))
    # of the silence behind the speech any part may be lost as well
    assert -FRAME_SAMPLES <= len(pcm) - len(said) <= (TRAILING_SILENCE + 1 + call.missed_by(user)) * FRAME_SAMPLES
    assert align(said, pcm).gain > 0.5


def test_speaking_start_is_read_before_the_first_pcm_of_each_of_30_utterances(call, tmp_path):
    short = write_wav(tmp_path / "short.wav", chirp(0.1))
    users = [call.add(file=short, loop=True, pauseMs=250, startMs=300 + 7 * number) for number in range(5)]
    for user in users:
        call.subscribe(user, silenceDurationMs=150)
    for user in users:
        eventually(lambda user=user: len(call.events_of("user_audio_end", userId=user)) >= 6, "six utterances")
    for user in users:
        utterances = split(call.entries, user)
        starts = [call.entries.index(event) for event in call.events_of("speaking_start", userId=user)]
        firsts = [call.entries.index(pieces[0]) for pieces in utterances[:6]]
        assert all(start < first for start, first in zip(starts, firsts, strict=False))
        assert len(starts) >= 6


def test_who_speaks_in_the_instant_of_his_join_is_heard_from_the_first_frame_that_his_key_allows(monkeypatch, word):
    """He does not wait until all others have the group's new keys: his first words are there before ours are."""
    monkeypatch.setattr(DeliveryService, "settled", property(lambda _self: True))
    with HostileDiscord() as discord, VoxParent() as vox:
        call = Call(vox, discord)
        call.enter()
        call.add(tone=200, startMs=86_400_000)
        discord.lag(call.me, 0.2)
        users = [str(1_000_000 + int(call.me) * 10 + number) for number in range(8)]
        for user in users:
            call.subscribe(user, silenceDurationMs=500)
        for user in users:
            discord.order({"type": "add_speaker", "userId": user, "serverId": call.guild, "file": str(word)})
            call.wait_for("user_audio_end", userId=user)
            assert_whole(call.audio_of(user), call.missed_by(user))
        told = [event.body["fates"] for event in call.events_of("stream_stats")]
    assert not any(fates["noKey"] + fates["unknownSsrc"] + fates["discarded"] for fates in told)
