"""Datagrams that are not what they claim to be reach the real process while somebody speaks."""

import random
import socket

import pytest

from clankvox.demo.parent import VoxParent
from clankvox.loopback import speech
from clankvox.wire.rtp import OPUS_PAYLOAD_TYPE, build_header
from tests.support.hostile import HostileDiscord, breaks, mutilated
from tests.support.process_call import Call, eventually, pcm_of

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
    assert breaks(pcm_of(call.audio_of(call.speaker)), HZ) == 0
    counted = call.wait_for("transport_stats", since=call.vox.mark()).body["inboundAudio"]
    assert 40 * 9 <= counted["transportDecryptFail"] <= thrown
    assert {event["type"] for event in call.told()[7:]} == {"speaking_start"}


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
    assert breaks(pcm, HZ) == 0
    assert {str(piece.user_id) for piece in call.vox.audio} == {call.speaker}
    assert len(call.events_of("speaking_start")) == 1
