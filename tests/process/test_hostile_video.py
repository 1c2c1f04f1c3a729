"""Video that is none reaches the real process, from the media server and from a member with keys; the rest goes on."""

import random

import psutil
import pytest

from clankvox.demo.parent import VoxParent
from clankvox.loopback import cast
from clankvox.loopback.film import open_film
from clankvox.loopback.picture_encoder import EncodedPicture
from clankvox.wire.h264 import join_annex_b, split_annex_b
from clankvox.wire.rtp import H264_PAYLOAD_TYPE, build_header
from tests.support.coded_video import access_units
from tests.support.hostile import HostileDiscord, breaks
from tests.support.process_call import Call, eventually, pcm_of
from tests.support.stream_call import counters, shown
from tests.wire.test_h264_sps import baseline_sps

HZ = 440
STRAY, HUGE = 4_000_000_001, 4_000_000_003
FU_A, STAP_A = 28, 24
MORE_MEMORY_BYTES = 150_000_000


class EvilFilm:
    """The test pattern, and instead of every fifth picture what no encoder makes; the last of it over and over."""

    def __init__(self, settings, path, *, clock):
        self._good = open_film(settings, path, clock=clock)
        self._rng = random.Random(3)
        self._made = 0

    def next(self, stamp, *, key):
        if stamp.counter < 10 or stamp.counter % 5:
            return self._good.next(stamp, key=key)
        self._made += 1
        kinds = self._kinds()
        return EncodedPicture(kinds[self._made % len(kinds)](), key=False)

    def _kinds(self):
        rng, unit = self._rng, access_units(2)[0]
        nals = split_annex_b(unit)
        noise = [bytes((0x65,)) + rng.randbytes(rng.randrange(1, 900)), bytes((0x41,)) + rng.randbytes(300)]
        return (
            lambda: join_annex_b([baseline_sps(16_384, 16_384), *nals[1:]]),
            lambda: join_annex_b([noise[0]]),
            lambda: join_annex_b([noise[1]]),
            lambda: unit[: len(unit) // 3],
            lambda: join_annex_b([nals[0], nals[0], b"\x68", *nals[-1:]]),
        )


@pytest.fixture
def hostile(monkeypatch):
    """A call in which one member speaks and shows a webcam, and another shows what is no video."""
    with HostileDiscord() as discord, VoxParent() as vox:
        call = Call(vox, discord)
        call.enter()
        call.speaker = call.add(tone=HZ)
        call.subscribe(call.speaker, "k1")
        call.good = show(call, call.speaker + "1")
        monkeypatch.setattr(cast, "open_film", EvilFilm)
        call.evil = show(call, call.speaker + "2")
        vox.wait_for_audio(call.speaker)
        eventually(lambda: {call.good, call.evil} <= {event.body["userId"] for event in seen(call)}, "both")
        yield call
    assert vox.exit_code == 0


def show(call, user):
    size = {"width": 320, "height": 192, "gop": 3_000}
    call.discord.order({"type": "add_publisher", "userId": user, "serverId": call.guild, **size})
    call.vox.send({"type": "subscribe_user_video", "userId": user, "maxFramesPerSecond": 30})
    return user


def seen(call, since=None):
    entries = call.vox.entries[call.start if since is None else since :]
    return [entry for entry in entries if getattr(entry, "type", None) == "decoded_video_frame"]


def go_on(call, pictures=15):
    """Let the good webcam be seen for a while, picture after picture."""
    since = call.vox.mark()

    def found():
        return [event for event in seen(call, since) if event.body["userId"] == call.good]

    eventually(lambda: len(found()) >= pictures, "more of the good pictures")
    numbers = counters([shown(event) for event in found()])
    assert numbers == sorted(set(numbers))


def packets(rng):
    """Payloads that are no video, each of a frame of its own."""
    for _ in range(60):
        yield rng.randbytes(rng.randrange(1, 1_100))
        yield bytes((FU_A | 0x60, 0x05)) + rng.randbytes(600)  # in the midst of a fragmented unit
        yield bytes((FU_A | 0x60, 0xC5))  # first and last at once, and nothing in it
        yield bytes((STAP_A | 0x60, 0xFF, 0xFF)) + rng.randbytes(40)  # a unit longer than the packet
        yield rng.randbytes(60) + b"\x0c\xfa\xfa"  # says that it is encrypted
        yield b""


def send(call, ssrc, sequence, payload, *, timestamp=9_000, marker=False):
    header = build_header(
        payload_type=H264_PAYLOAD_TYPE, sequence=sequence % 65_536, timestamp=timestamp, ssrc=ssrc, marker=marker
    )
    call.discord.sealed(call.me, header, payload)


def test_what_is_no_video_is_counted_by_its_cause_and_all_others_go_on(hostile):
    call, rng = hostile, random.Random(5)
    process = psutil.Process(call.vox.pid)
    before = process.memory_info().rss
    for number, payload in enumerate(packets(rng)):
        send(call, STRAY, number, payload, timestamp=3_000 * number, marker=bool(rng.getrandbits(1)))
    unit = bytes((STAP_A | 0x60,)) + b"\0\1\x09" * 300
    for number in range(40):  # 12,000 units in one frame
        send(call, HUGE, number, unit)
    for number in range(100, 8_000):  # 9 MB in one frame
        send(call, HUGE, number, bytes((FU_A | 0x60, 0x85 if number == 100 else 0x05)) + bytes(1_150), timestamp=18_000)
    go_on(call)
    eventually(lambda: counted(call)["decodeErrors"] > 5, "pictures that a decoder refuses")
    told = counted(call)
    assert told["tooLarge"] > 0
    assert told["framesOversize"] > 0
    assert told["framesIncomplete"] > 0
    assert told["daveDecryptFail"] > 0
    go_on(call)
    assert process.memory_info().rss < before + MORE_MEMORY_BYTES
    assert breaks(pcm_of(call.audio_of(call.speaker)), HZ) == []
    assert not [event for event in call.events if event.type == "error"]
    shown_of_evil = [event for event in seen(call) if event.body["userId"] == call.evil]
    assert {(event.body["width"], event.body["height"]) for event in shown_of_evil} == {(320, 192)}


def counted(call):
    return call.wait_for("transport_stats", since=call.vox.mark()).body["inboundVideo"]
