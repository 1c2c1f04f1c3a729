"""Datagrams that are not what they claim to be reach the real process while somebody speaks."""

import base64
import random
import socket
import wave

import numpy as np
import pytest

from clankvox.demo.alignment import align
from clankvox.demo.parent import VoxParent
from clankvox.loopback import speech
from clankvox.wire.rtp import OPUS_PAYLOAD_TYPE, build_header
from tests.support.hostile import AMID, HostileDiscord, breaks, mutilated, told_of
from tests.support.process_call import FRAME_SAMPLES, RATE_HZ, Call, chirp, eventually, pcm_of

HZ = 440
FOREIGN_HZ = 1_800


@pytest.fixture
def hostile():
    """A call in which one member speaks a tone that is captured."""
    with HostileDiscord() as discord, VoxParent() as vox:
        call = Call(vox, discord, connection_id=None)
        call.enter()
        call.speaker = call.add(tone=HZ)
        call.subscribe(call.speaker)
        vox.wait_for_audio(call.speaker)
        yield call


def frames(call):
    return len(call.audio_of(call.speaker))


def heard(folder, call):
    """The left channel of what a member recorded of us."""
    with wave.open(str(folder / f"{call.me}.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)[::2]


def go_on(call, count=25):
    """Let some more of the tone be heard."""
    wanted = frames(call) + count
    eventually(lambda: frames(call) >= wanted, "more of the tone")


def test_truncated_forged_replayed_and_random_datagrams_are_counted_and_leave_the_tone_whole(hostile):
    """Those of a stranger, who does not have the media server's address, do not even arrive to be counted."""
    call, discord, rng = hostile, hostile.discord, random.Random(4)
    go_on(call, 5)
    thrown = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for _ in range(40):
            go_on(call, 1)
            genuine = discord.sent[-1]
            for datagram in mutilated(genuine, rng):
                discord.datagram(call.me, datagram)
                stranger.sendto(datagram, discord.address(call.me))
                thrown += 1
            for old in rng.sample(discord.sent, 3):
                discord.datagram(call.me, old)
    go_on(call)
    assert breaks(pcm_of(call.audio_of(call.speaker)), HZ) == []
    counted = call.wait_for("transport_stats", since=call.vox.mark()).body["inboundAudio"]
    assert 40 * 9 <= counted["transportDecryptFail"] <= thrown
    assert told_of(call) == AMID


def test_what_the_media_server_makes_up_is_never_heard(hostile):
    """It has the transport key and not the group's: a clear frame, or garbage that looks encrypted, is no speech."""
    call, discord, rng = hostile, hostile.discord, random.Random(6)
    for number, frame in enumerate(speech.tone(FOREIGN_HZ).frames[:60]):
        for ssrc in (4_000_000_001, 4_000_000_002):
            header = build_header(payload_type=OPUS_PAYLOAD_TYPE, sequence=number, timestamp=960 * number, ssrc=ssrc)
            garbage = rng.randbytes(60) + b"\x0c\xfa\xfa"
            discord.sealed(call.me, header, frame if ssrc % 2 else garbage)
    go_on(call)
    pcm = pcm_of(call.audio_of(call.speaker))
    assert breaks(pcm, HZ) == []
    assert {str(piece.user_id) for piece in call.vox.audio} == {call.speaker}
    assert {event.body["userId"] for event in call.events_of("speaking_start")} == {call.speaker}


def rubbish(rng):
    """Frames that a member seals as he seals speech, and that are no Opus or claim more than they hold."""
    return [
        rng.choice(
            (
                rng.randbytes(rng.randrange(3, 200)),
                bytes([rng.randrange(64) << 2 | 3, 0x3F]),
                bytes([0x0B, 0xC6]) + rng.randbytes(90),
                bytes([0x0B, 0x06]) + rng.randbytes(60),
                bytes([0x0B, 0x46]) + b"\xff" * 100,
                rng.randbytes(1_100),
            )
        )
        for _ in range(500)
    ]


def test_beside_rubbish_that_authenticates_and_pcm_in_odd_pieces_all_others_hear_and_are_heard(
    hostile, monkeypatch, tmp_path
):
    """The worst of it at once: a member who sends no Opus, damaged datagrams, and a parent that writes as it likes."""
    call, discord, rng = hostile, hostile.discord, random.Random(8)
    listener = call.listener(tmp_path)
    monkeypatch.setattr(speech, "load", lambda _path: speech.Speech(tuple(rubbish(rng)), 0))
    mallory = call.add(file=tmp_path / "rubbish.wav", loop=True)
    call.subscribe(mallory)
    call.vox.wait_for_audio(mallory)
    said = chirp(1.2, 300, 2_000)
    data = said.tobytes()
    for piece in (data[:-2_401], *(data[at : at + 1] for at in range(len(data) - 2_401, len(data)))):
        audio = {"sampleRate": RATE_HZ, "pcmBase64": base64.b64encode(piece).decode()}
        call.vox.send({"type": "audio", "playbackId": "p1", **audio})
    call.vox.send({"type": "finish_tts_playback", "playbackId": "p1"})
    for _ in range(20):
        go_on(call, 2)
        for datagram in mutilated(discord.sent[-1], rng):
            discord.datagram(call.me, datagram)
    call.wait_said("p1")
    call.remove(listener)
    call.remove(mallory)
    sent = call.seen()
    assert (sent["seqGaps"], sent["timestampAnomalies"]) == (0, 0)
    assert sent["packets"] - sent["silenceFrames"] == pytest.approx(len(said) / FRAME_SAMPLES, abs=1)
    assert align(said, heard(tmp_path, call)).lost_ms == 0
    go_on(call)
    assert breaks(pcm_of(call.audio_of(call.speaker)), HZ) == []
    told = call.wait_for("stream_stats", userId=mallory, ended=True).body
    assert told["arrived"] + told["missing"] == sum(told["fates"].values()) + told["pending"]
    assert told["fates"]["codecFailed"] > 20
    assert not any(told["fates"][fate] for fate in ("noKey", "unencrypted", "malformed"))


def test_a_piece_of_five_megabytes_is_cut_to_what_fits_and_a_change_of_rate_is_heard_as_one_sound(hostile, tmp_path):
    call = hostile
    listener = call.listener(tmp_path)
    for hz, rate_hz in ((500, 8_000), (500, 44_100), (500, 16_000), (500, 48_000)):
        call.say(chirp(0.3, hz, hz, rate_hz=rate_hz), rate_hz=rate_hz)
    call.wait_for("tts_playback_state", status="idle")
    call.remove(listener)
    own = heard(tmp_path, call)
    loud = np.flatnonzero(np.abs(own.astype(int)) > 1_500)
    assert abs(loud[-1] - loud[0] - 1.2 * RATE_HZ) < 2 * FRAME_SAMPLES
    call.say(np.tile(chirp(1.0), 52), rate_hz=RATE_HZ)  # five megabytes
    overflow = call.wait_for("tts_buffer_overflow").body
    assert overflow["bufferSamples"] - overflow["droppedSamples"] == 15 * RATE_HZ
    call.vox.send({"type": "stop_playback"})
    go_on(call)
    assert breaks(pcm_of(call.audio_of(call.speaker)), HZ) == []
