"""Real speech over a network with loss, jitter, reorder and duplicates, beside plain libopus on the same packets."""

import itertools

import numpy as np
import pytest

from clankvox.ledger import Fate
from clankvox.loopback.impairment import Impairment, Link
from clankvox.media.opus_encoder import SPEECH
from clankvox.media.opus_packet import has_fec
from clankvox.media.receive_ports import Origin
from clankvox.wire.rtp import SILENCE_FRAME
from tests.support.bad_network import Listening, Sender
from tests.support.hearing import ALICE, ME, Talker, room_of
from tests.support.spoken import error_db
from tools.bench import perceived, plain_opus
from tools.bench.real_speech import sentences

RATE_HZ = 16_000
FRAME_SAMPLES = 320
SPEECH_S = 20
PAUSE_S = 0.8
OWN_FAULT = set(Fate) - {
    Fate.DECODED,
    Fate.QUIET,
    Fate.RECOVERED,
    Fate.CONCEALED,
    Fate.SILENCED,
    Fate.LOST,
    Fate.LATE,
    Fate.DUPLICATE,
}
MOS_TOLERANCE = 0.05
"""What a packet that came too late to be waited for may cost; plain libopus is given all that ever came."""


class Heard:
    """What was sent, what came, and what was captured of it."""

    def __init__(self, loss, fec, seed):
        room = room_of(ME, ALICE)
        profile = SPEECH if fec else SPEECH._replace(expected_loss_percent=0)
        self.link = Link("down")
        self.link.impair(Impairment(loss=loss, jitter_ms=30, reorder=0.02, duplicate=0.01, seed=seed))
        sender = Sender(Talker(7, room.members[ALICE]), self.link)
        ears = Listening([ALICE], room, rate_hz=RATE_HZ)
        spoken = [plain_opus.encode(sentence, profile) for sentence in sentences(SPEECH_S)]
        ears.listen(sender.packets([(PAUSE_S, frames) for frames in spoken]))
        self.ledger = ears.check()[7].ledger
        self.sent = sender.sent
        self.utterances = ears.heard.utterances(ALICE)
        self.in_time = {
            sender.by_arrival[piece.timing.arrival]
            for piece in itertools.chain(*self.utterances)
            if piece.timing.origin is Origin.RECEIVED
        }
        self.network_lost = {number for number, packet in enumerate(self.sent) if not packet.arrives_s}

    @property
    def packets(self):
        return [packet.frame for packet in self.sent]

    def spurts(self):
        """The numbers of each spurt's packets, silence included, beside its captured pieces."""
        numbers = [list(group) for _, group in itertools.groupby(range(len(self.sent)), lambda n: self.sent[n].spurt)]
        return list(zip(numbers, self.utterances, strict=True))

    def unplayable(self):
        """What nobody can know to be missed: before a spurt's first packet, unless the next one has it; at its end."""
        found = set()
        for numbers, _ in self.spurts():
            first, last = min(self.in_time & set(numbers)), max(self.in_time & set(numbers))
            before = {number for number in numbers if number < first}
            if has_fec(self.sent[first].frame):
                before.discard(first - 1)
            found |= before | {number for number in numbers if number > last}
        return found


@pytest.fixture(
    scope="module",
    params=[(0, True), (0.05, True), (0.1, True), (0.2, True), (0.05, False), (0.2, False)],
    ids=lambda param: f"{param[0]:.0%}{'' if param[1] else ' without FEC'}",
)
def heard(request):
    loss, fec = request.param
    return Heard(loss, fec, seed=3)


def pcm_of(pieces):
    return np.concatenate([piece.pcm for piece in pieces])


def test_every_packet_has_its_fate_and_none_is_our_own_fault(heard):
    entered = {str(fate): count for fate, count in heard.ledger.fates.items() if count and fate in OWN_FAULT}
    assert entered == {}
    assert heard.ledger.arrived == len(heard.sent) - len(heard.network_lost) + heard.link.counters["duplicated"]
    known = [n for n in heard.network_lost if min(heard.in_time) < n < max(heard.in_time)]
    assert heard.ledger.missing - heard.ledger.late_after_missing == len(known)


def test_a_talkspurt_lasts_as_long_as_it_lasted(heard):
    for numbers, pieces in heard.spurts():
        came = [number for number in numbers if number in heard.in_time]
        wall_samples = FRAME_SAMPLES * (came[-1] - came[0] + 1)
        assert abs(len(pcm_of(pieces)) - wall_samples) <= FRAME_SAMPLES


def test_what_is_captured_is_what_plain_libopus_makes_of_the_same_packets_and_losses(heard):
    lost = set(range(len(heard.sent))) - heard.in_time
    plain = np.concatenate(plain_opus.decode(heard.packets, RATE_HZ, lost, heard.unplayable()))
    captured = np.concatenate([pcm_of(pieces) for pieces in heard.utterances])
    assert len(captured) == len(plain)
    assert error_db(captured, plain) < -80


def test_it_sounds_no_worse_than_plain_libopus_with_all_that_ever_came(heard):
    clean = plain_opus.decode(heard.packets, RATE_HZ)
    plain = plain_opus.decode(heard.packets, RATE_HZ, heard.network_lost)
    for numbers, pieces in heard.spurts():
        said, theirs = (np.concatenate([parts[number] for number in numbers]) for parts in (clean, plain))
        assert perceived.mos(said, pcm_of(pieces)) >= perceived.mos(said, theirs) - MOS_TOLERANCE


def test_the_measure_hears_what_forward_error_correction_is_good_for():
    scores = []
    for fec in (True, False):
        heard = Heard(0.1, fec, seed=5)
        clean = plain_opus.decode(heard.packets, RATE_HZ)
        scores += [
            perceived.mos(np.concatenate([clean[number] for number in numbers]), pcm_of(pieces))
            for numbers, pieces in heard.spurts()
        ]
    assert np.mean(scores[: len(scores) // 2]) > np.mean(scores[len(scores) // 2 :]) + 0.2


@pytest.mark.parametrize("loss", [0.05, 0.2])
def test_a_talkspurt_with_silence_frames_in_its_midst_lasts_as_long_as_it_lasted(loss):
    word = plain_opus.encode(sentences(2)[0][:48_000])
    spurt = [*([*word[:25], *[SILENCE_FRAME] * 10] * 12), *word]
    room, link = room_of(ME, ALICE), Link("down")
    link.impair(Impairment(loss=loss, jitter_ms=30, reorder=0.02, duplicate=0.01, seed=3))
    sender, ears = Sender(Talker(7, room.members[ALICE]), link), Listening([ALICE], room, rate_hz=RATE_HZ)
    ears.listen(sender.packets([(PAUSE_S, spurt)]))
    (pieces,) = ears.heard.utterances(ALICE)
    assert len(pcm_of(pieces)) >= FRAME_SAMPLES * len(spurt)
