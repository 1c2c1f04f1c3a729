"""Whatever one sender does, each packet is counted by its cause, and who speaks beside him is heard to the sample."""

import random
from collections import Counter

import numpy as np
import pytest

from clankvox.ids import Ssrc
from clankvox.ledger import Fate
from clankvox.wire.rtp import OPUS_PAYLOAD_TYPE, build_header
from tests.support.hearing import ALICE, BOB, CAROL, KEY, ME, Ears, Talker, opus_packets, plain_decode, room_of
from tests.support.hostile import mutilated

WORDS = opus_packets(3.0, seed=11)
BAD_WORDS = opus_packets(3.0, seed=12)
ALICES, BOBS, OTHER = Ssrc(7), Ssrc(8), Ssrc(9)
SECOND = 50

RUBBISH = {
    "bytes of any kind": lambda rng: rng.randbytes(rng.randrange(3, 200)),
    "a TOC alone": lambda rng: bytes([rng.randrange(256)]),
    "a TOC that counts frames which are not there": lambda rng: bytes([rng.randrange(64) << 2 | 3, 0x3F]),
    "frames of any size, 120 ms in all": lambda rng: bytes([0x0B, 0xC6]) + rng.randbytes(90),
    "six equal frames that claim 120 ms": lambda rng: bytes([0x0B, 0x06]) + rng.randbytes(60),
    "more than 120 ms": lambda rng: bytes([0x1B, 0x03]) + rng.randbytes(60),
    "padding without end": lambda rng: bytes([0x0B, 0x46]) + b"\xff" * rng.randrange(1, 300),
    "a second frame behind the end": lambda rng: bytes([0x0A, 0xFC, 0xFF]) + rng.randbytes(20),
    "a kilobyte": lambda rng: rng.randbytes(1_200),
}


class Scene:
    """Bob speaks, Alice misbehaves, Carol is there; all of them are captured."""

    def __init__(self):
        self.rng = random.Random(5)
        self.room = room_of(ME, ALICE, BOB, CAROL)
        self.ears = Ears(self.room)
        for arming, user in enumerate((ALICE, BOB, CAROL), 1):
            self.ears.arm(user, arming=arming, silence_ms=2_500)
        self.bob = Talker(BOBS, self.room.members[BOB])
        self.bobs_datagrams = []

    def talker(self, user, ssrc=ALICES, **options):
        return Talker(ssrc, self.room.members[user], **options)

    def hear(self, bad):
        """Let Bob say his words, and what `bad` (datagrams for each slot) brings arrive right before and behind."""
        for slot, frame in enumerate(WORDS):
            self.bobs_datagrams.append(self.bob.packet(frame))
            these = bad(slot)
            for datagram in these[::2]:
                self.ears.feed(datagram)
            self.ears.feed(self.bobs_datagrams[-1])
            for datagram in these[1::2]:
                self.ears.feed(datagram)
            self.ears.now += 0.02
        self.ears.wait(5.0)

    def check(self):
        """Return what became of all packets but Bob's good ones, and all that was counted without a stream."""
        assert np.array_equal(self.ears.heard.pcm(BOB), plain_decode(WORDS))
        fates = Counter()
        for report in self.ears.check().values():
            assert not report.pending
            fates += Counter({str(fate): count for fate, count in report.ledger.fates.items()})
        fates["decoded"] -= len(WORDS)
        return +fates

    def stray(self):
        """Datagrams that no stream is blamed for."""
        totals = self.ears.pipeline.totals
        return totals.unrecognized + totals.rtcp + totals.not_audio + totals.discovery_refused + totals.own_ssrc


@pytest.fixture
def scene():
    return Scene()


def test_truncated_and_damaged_datagrams(scene):
    thrown = Counter()

    def bad(_slot):
        these = list(mutilated(scene.bobs_datagrams[-1], scene.rng))
        thrown["all"] += len(these)
        return these

    scene.hear(bad)
    fates = scene.check()
    assert set(fates) == {"aead_failed"}
    refused = scene.ears.pipeline.totals.transport_decrypt_fail
    pongs = len(scene.ears.heard.of("pong"))
    assert refused + scene.stray() + pongs == thrown["all"]
    assert fates["aead_failed"] <= refused


def test_replayed_datagrams(scene):
    scene.hear(lambda slot: scene.rng.choices(scene.bobs_datagrams, k=4) + scene.bobs_datagrams[-1:])
    assert scene.check() == {"duplicate": 5 * len(WORDS)}


def test_forged_datagrams(scene):
    """Of who has not the transport's key, and of the server, who has not the group's."""
    outsider = Talker(BOBS, scene.room.members[CAROL], key=bytes(32))
    server = Talker(BOBS, key=KEY)

    def bad(_slot):
        for forger in (outsider, server):
            forger.sequence, forger.timestamp = scene.bob.sequence, scene.bob.timestamp
        header = build_header(
            payload_type=OPUS_PAYLOAD_TYPE, sequence=scene.bob.sequence & 0xFFFF, timestamp=5, ssrc=int(BOBS)
        )
        garbage = scene.rng.randbytes(40) + b"\x0c\xfa\xfa"
        return [outsider.packet(WORDS[0]), server.packet(WORDS[0]), server.sealer.seal(header, garbage)]

    scene.hear(bad)
    fates = scene.check()
    assert scene.ears.pipeline.totals.transport_decrypt_fail == len(WORDS)
    assert fates["aead_failed"] == len(WORDS) - 1  # the first one came before there was a stream to blame
    assert set(fates) == {"aead_failed", "unencrypted", "no_key"}
    assert fates["unencrypted"] + fates["no_key"] == 2 * len(WORDS)  # of garbage, some does not even look encrypted
    assert fates["no_key"] > 0


def test_packets_that_come_a_whole_second_out_of_order(scene):
    """Those that come late are late, not heard and not in the way; the ones in time are all heard."""
    datagrams = scene.talker(ALICE).packets(BAD_WORDS)
    late = set(scene.rng.sample(range(10, len(BAD_WORDS) - SECOND), 20))
    at = {slot: [] for slot in range(len(WORDS))}
    for number, datagram in enumerate(datagrams):
        at[number + SECOND if number in late else number].append(datagram)
    scene.hear(at.__getitem__)
    fates = scene.check()
    assert fates["late"] == len(late)
    assert fates["decoded"] == len(BAD_WORDS) - len(late)
    assert fates["recovered"] + fates["concealed"] + fates["silenced"] == len(late)
    assert len(scene.ears.heard.pcm(ALICE)) == len(BAD_WORDS) * 480


def test_seconds_that_change_places(scene):
    """A whole second comes before the one that was sent before it."""
    datagrams = scene.talker(ALICE).packets(BAD_WORDS)
    swapped = datagrams[:10] + datagrams[10 + SECOND : 10 + 2 * SECOND] + datagrams[10 : 10 + SECOND]
    swapped += datagrams[10 + 2 * SECOND :]
    scene.hear(lambda slot: swapped[slot : slot + 1])
    fates = scene.check()
    assert fates["late"] == SECOND
    assert fates["decoded"] == len(BAD_WORDS) - SECOND
    assert len(scene.ears.heard.pcm(ALICE)) == len(BAD_WORDS) * 480


def test_an_ssrc_that_changes_users_twice_a_second(scene):
    users = [scene.talker(ALICE), scene.talker(CAROL, sequence=300, timestamp=1_000)]
    scene.hear(lambda slot: [users[slot // 25 % 2].packet(BAD_WORDS[slot])])
    fates = scene.check()
    assert fates == {"decoded": len(BAD_WORDS)}
    assert scene.ears.check()[ALICES].ledger.rebinds == len(WORDS) // 25 - 1
    for user, first in ((ALICE, 0), (CAROL, 1)):
        assert len(scene.ears.heard.pcm(user)) == 480 * sum(slot // 25 % 2 == first for slot in range(len(WORDS)))


def test_a_user_with_two_ssrcs(scene):
    """He is heard on one of them: on that which began last, from its first frame."""
    one, other = scene.talker(ALICE), scene.talker(ALICE, OTHER)
    scene.hear(lambda slot: [one.packet(BAD_WORDS[slot]), other.packet(BAD_WORDS[slot])])
    fates = scene.check()
    assert fates["decoded"] + fates["other_ssrc"] == 2 * len(BAD_WORDS)
    assert len(scene.ears.heard.pcm(ALICE)) == 480 * fates["decoded"]
    assert len(BAD_WORDS) <= fates["decoded"] <= len(BAD_WORDS) + 10


@pytest.mark.parametrize("kind", RUBBISH)
def test_opus_rubbish_that_authenticates(scene, kind):
    """Of a member in good standing; he is heard again as soon as he sends Opus."""
    alice = scene.talker(ALICE)
    good = set(range(SECOND)) | set(range(2 * SECOND, len(WORDS)))

    def bad(slot):
        return [alice.packet(BAD_WORDS[slot] if slot in good else RUBBISH[kind](scene.rng))]

    scene.hear(bad)
    fates = scene.check()
    assert set(fates) <= {"decoded", "codec_failed", "quiet"}
    assert sum(fates.values()) == len(WORDS)
    assert fates["decoded"] >= len(good)
    whole = scene.ears.heard.pcm(ALICE)
    assert np.array_equal(whole[: SECOND * 480], plain_decode(BAD_WORDS[:SECOND]))
    assert len(good) * 480 <= len(whole) <= (len(good) + SECOND * 6) * 480


def test_all_of_it_at_once(scene):
    """And the memory of it is bounded: every stream's reckoning is closed when it is over."""
    alice, wild = scene.talker(ALICE), Talker(OTHER, key=KEY)
    kinds = list(RUBBISH.values())

    def bad(slot):
        genuine = scene.bobs_datagrams[-1]
        rubbish = [alice.packet(make(scene.rng)) for make in kinds]
        strangers = [Talker(20_000 + 10 * slot + n, key=KEY).packet(BAD_WORDS[slot]) for n in range(10)]
        return [*mutilated(genuine, scene.rng), *rubbish, genuine, wild.packet(BAD_WORDS[slot]), *strangers]

    scene.hear(bad)
    fates = scene.check()
    assert {"aead_failed", "duplicate", "codec_failed", "unencrypted"} <= set(fates)
    assert scene.ears.pipeline.totals.streams_evicted > 0
    assert set(fates) <= set(map(str, Fate))
