"""A parent that does not read for a while: the call notices nothing, and nothing that it was promised is lost."""

import pytest

from clankvox.demo.parent import UserAudio
from tests.support import narrow_vox
from tests.support.process_call import COMMAND, RATE_HZ, Call, chirp, eventually, pcm_of, write_wav
from tools.bench.odd_parents import DawdlingParent

SPEAKERS = 4
WORD_S = 1.0
PIPE_BYTES = 64 * 1024
ON_ITS_WAY_BYTES = 64 * 1024
"""What the writer and the reader have in their hands, and what came before the parent stopped or when it went on."""


@pytest.fixture
def command():
    return COMMAND


@pytest.fixture
def dawdling(discord, trust, command):
    with DawdlingParent(env=trust, command=command) as vox:
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
    vox.reading.clear()
    sent = call.seen()["packets"]
    for user in speakers:  # 4 times 96 KB: the pipe holds 64
        call.discord.wait_for("spoken", userId=user)
    eventually(lambda: call.seen()["packets"] >= sent + 100, "two more seconds of our speech")
    assert call.seen()["seqGaps"] == 0
    vox.reading.set()
    call.wait_said("p1")
    for user in speakers:
        call.wait_for("user_audio_end", userId=user)
    for user in speakers:
        assert len(pcm_of(call.audio_of(user))) >= WORD_S * RATE_HZ
        mine = [entry for entry in call.entries if belongs(entry, user)]
        assert not isinstance(mine[-1], UserAudio)
        assert [isinstance(entry, UserAudio) for entry in mine].count(False) == 1


@pytest.mark.parametrize("command", [narrow_vox.COMMAND])
def test_what_a_stalled_parent_leaves_is_bounded_and_counted_and_each_utterance_still_has_its_end(dawdling, tmp_path):
    call, vox = dawdling, dawdling.vox
    word = write_wav(tmp_path / "word.wav", chirp(WORD_S))
    speakers = [call.add(file=word, startMs=500) for _ in range(SPEAKERS)]
    vox.reading.clear()
    for user in speakers:
        call.subscribe(user, f"of {user}", silenceDurationMs=300)
    for user in speakers:
        call.discord.wait_for("spoken", userId=user)
    vox.reading.set()
    for user in speakers:
        call.wait_for("user_audio_end", userId=user)
    heard = [len(pcm_of(call.audio_of(user))) * 2 for user in speakers]
    assert min(heard) > 0
    lanes = SPEAKERS * narrow_vox.STREAM_MS * RATE_HZ * 2 // 1000
    assert sum(heard) <= lanes + PIPE_BYTES + ON_ITS_WAY_BYTES
    since = vox.mark()
    vox.send({"type": "inspect"})
    told = call.wait_for("inspect", since=since).body["counters"]
    assert told["ipcLanes"]["audioDropped"] > 0
    assert told["ipcLanes"]["controlDropped"] == 0


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
