"""A parent that does not read for a while: the call notices nothing, and nothing that it was promised is lost."""

import psutil
import pytest

from clankvox.demo.parent import UserAudio
from tests.support.process_call import RATE_HZ, Call, chirp, eventually, pcm_of, write_wav
from tools.bench.odd_parents import DawdlingParent

SPEAKERS = 4
WORD_S = 1.0
BOUND_BYTES = 48 * 1024 * 1024
"""The audio lane's 32 MiB, and room for what Python needs beside it."""


@pytest.fixture
def dawdling(discord, trust):
    with DawdlingParent(env=trust) as vox:
        call = Call(vox, discord)
        call.enter()
        yield call
        vox.reading.set()
        assert call.leaked_frames() == 0


def test_outbound_media_never_notices_a_stalled_parent_who_then_gets_all_in_order(dawdling, tmp_path):
    call, vox = dawdling, dawdling.vox
    word = write_wav(tmp_path / "word.wav", chirp(WORD_S))
    speakers = [call.add(file=word, startMs=500, receive=True) for _ in range(SPEAKERS)]
    for user in speakers:
        call.subscribe(user, f"of {user}", silenceDurationMs=300)
    call.say(chirp(4.0, rate_hz=24_000), "p1")
    call.wait_said("p1", "started")
    resident = psutil.Process(vox.pid).memory_info().rss
    vox.reading.clear()
    sent = call.seen()["packets"]
    for user in speakers:  # 4 times 96 KB: the pipe holds 64
        call.discord.wait_for("spoken", userId=user)
    eventually(lambda: call.seen()["packets"] >= sent + 100, "two more seconds of our speech")
    assert call.seen()["seqGaps"] == 0
    grown = psutil.Process(vox.pid).memory_info().rss - resident
    vox.reading.set()
    call.wait_said("p1")
    for user in speakers:
        call.wait_for("user_audio_end", userId=user)
    assert grown < BOUND_BYTES
    for user in speakers:
        assert len(pcm_of(call.audio_of(user))) >= WORD_S * RATE_HZ
        mine = [entry for entry in call.entries if belongs(entry, user)]
        assert not isinstance(mine[-1], UserAudio)
        assert [isinstance(entry, UserAudio) for entry in mine].count(False) == 1


def belongs(entry, user):
    """Whether `entry` is PCM of the user or the marker behind it."""
    if isinstance(entry, UserAudio):
        return str(entry.user_id) == user
    return entry.type == "user_audio_end" and entry.body["userId"] == user


def test_commands_are_carried_out_while_the_parent_does_not_read(dawdling):
    call, vox = dawdling, dawdling.vox
    vox.reading.clear()
    for number in range(3_000):  # their answers are more than the pipe holds
        vox.send({"type": "stop_tts_playback", "playbackId": f"{number:0100}"})
    vox.send({"type": "leave"})
    eventually(lambda: call.seen() == {}, "we have left the room")
    vox.reading.set()
    call.wait_for("transport_state", status="disconnected")
    answers = [event.body["playbackId"] for event in call.events_of("tts_playback_state")]
    assert answers == [f"{number:0100}" for number in range(3_000)]
