import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.ids import Ssrc
from clankvox.ledger import Fate, ReceiveTotals, StreamLedger
from clankvox.media.opus_packet import has_fec
from clankvox.media.reorder import Frame, OrderedFrame
from clankvox.media.speech_decoder import Origin, SpeechDecoder, plan_gap
from tests.support.hearing import opus_packets, opuslib, plain_decode

PLAIN = opus_packets(1.0)
WITH_FEC = opus_packets(1.0, fec_percent=20)


def ordered(payload, missing_packets=0, missing_ticks=None, after_quiet=False, begins=False):
    ticks = 960 * missing_packets if missing_ticks is None else missing_ticks
    return OrderedFrame(Frame(payload, 0, 0, 0.0), missing_packets, ticks, after_quiet, begins)


class Playing:
    def __init__(self, rate_hz=24_000):
        self.decoder = SpeechDecoder(rate_hz)
        self.ledger, self.totals = StreamLedger(Ssrc(7)), ReceiveTotals()
        self.parts, self.origins = [], []

    def play(self, frame, in_speech=True):
        for piece in self.decoder.fill(frame, self.ledger, self.totals, in_speech=in_speech):
            self._take(piece)
        piece, fate = self.decoder.decode(frame)
        self._take(piece)
        return fate

    def _take(self, piece):
        assert len(piece.pcm) <= self.decoder.sample_rate_hz * 0.12 + 50
        self.parts.append(piece.pcm.copy())
        self.origins.append((piece.origin, len(piece.pcm) * 1000 // self.decoder.sample_rate_hz))

    @property
    def pcm(self):
        return np.concatenate(self.parts)

    def entered(self):
        return {fate: n for fate, n in self.ledger.fates.items() if n}


def test_a_lost_frame_comes_back_from_the_next_packet_as_libopus_does_it():
    index = next(n for n in range(20, 40) if has_fec(WITH_FEC[n]))
    playing, theirs = Playing(), opuslib.Decoder(24_000, 1)
    for packet in WITH_FEC[: index - 1]:
        playing.play(ordered(packet))
        theirs.decode(packet, 480)
    playing.play(ordered(WITH_FEC[index], missing_packets=1))
    recovered = np.frombuffer(theirs.decode(WITH_FEC[index], 480, decode_fec=True), np.int16)
    assert np.array_equal(playing.parts[-2], recovered)
    assert np.array_equal(playing.parts[-1], np.frombuffer(theirs.decode(WITH_FEC[index], 480), np.int16))
    assert playing.entered() == {Fate.RECOVERED: 1}
    assert (playing.totals.forward_loss_gaps, playing.totals.concealed_frames) == (1, 1)


def test_without_fec_a_lost_frame_is_concealed_as_libopus_does_it():
    playing = Playing()
    for packet in PLAIN[:20]:
        playing.play(ordered(packet))
    playing.play(ordered(PLAIN[21], missing_packets=1))
    assert np.array_equal(playing.pcm, plain_decode([*PLAIN[:20], None, PLAIN[21]]))
    assert playing.entered() == {Fate.CONCEALED: 1}


def test_a_long_gap_is_100_ms_concealment_then_silence_then_what_fec_has():
    index = next(n for n in range(20, 49) if has_fec(WITH_FEC[n]))
    playing = Playing()
    playing.play(ordered(WITH_FEC[0]))
    playing.play(ordered(WITH_FEC[index], missing_packets=15))
    assert playing.origins[1:] == [
        (Origin.CONCEALED, 100),
        (Origin.SILENCE, 100),
        (Origin.SILENCE, 80),
        (Origin.RECOVERED, 20),
        (Origin.RECEIVED, 20),
    ]
    assert playing.entered() == {Fate.RECOVERED: 1, Fate.CONCEALED: 5, Fate.SILENCED: 9}
    assert not playing.parts[2].any()


def test_beyond_a_second_of_silence_time_is_lost():
    playing = Playing()
    playing.play(ordered(PLAIN[0]))
    playing.play(ordered(PLAIN[1], missing_packets=100))
    assert sum(ms for _, ms in playing.origins) == 20 + 100 + 1_000 + 20
    assert playing.entered() == {Fate.CONCEALED: 5, Fate.SILENCED: 50, Fate.LOST: 45}


@pytest.mark.parametrize("ticks", [120, 240, 480, 1_920, 2_880])
def test_exactly_the_missing_duration_is_made_up(ticks):
    playing = Playing()
    playing.play(ordered(PLAIN[0]))
    playing.play(ordered(PLAIN[2], missing_packets=1, missing_ticks=ticks))
    assert len(playing.parts[1]) == ticks // 2


def test_after_silence_and_at_the_beginning_only_fec_is_played():
    index = next(n for n in range(20, 49) if has_fec(WITH_FEC[n]))
    for frame, in_speech in (
        (ordered(WITH_FEC[index], missing_packets=3, after_quiet=True), True),
        (ordered(WITH_FEC[index], missing_packets=3), False),
    ):
        playing = Playing()
        playing.play(frame, in_speech=in_speech)
        assert playing.origins == [(Origin.RECOVERED, 20), (Origin.RECEIVED, 20)]
        assert playing.entered() == {Fate.RECOVERED: 1, Fate.LOST: 2}


def test_rubbish_is_concealed_for_as_long_as_it_claims():
    playing = Playing()
    playing.play(ordered(PLAIN[0]))
    assert playing.play(ordered(b"\xff\xff\x00")) is Fate.CODEC_FAILED
    assert playing.origins[-1] == (Origin.CONCEALED, 20)
    assert playing.play(ordered(PLAIN[1])) is Fate.DECODED


def test_other_rates_are_resampled_without_borders_and_finish_exactly():
    playing = Playing(44_100)
    for packet in PLAIN:
        playing.play(ordered(packet))
    tail = playing.decoder.finish()
    got = np.concatenate([playing.pcm, tail.pcm])
    assert len(got) == len(PLAIN) * 882
    assert playing.decoder.finish() is None


def test_reset_is_a_fresh_decoder():
    playing = Playing()
    for packet in PLAIN[:10]:
        playing.play(ordered(packet))
    playing.decoder.reset()
    playing.play(ordered(PLAIN[10]))
    assert np.array_equal(playing.parts[-1], plain_decode(PLAIN[10:11]))


@given(st.integers(0, 200_000), st.sampled_from([0, 480, 960, 1_920, 2_880]), st.integers(-480, 4_800))
def test_a_plan_never_exceeds_the_gap_nor_its_limits(missing, recoverable, concealable):
    plan = plan_gap(missing, recoverable, concealable)
    assert all(ticks >= 0 and ticks % 120 == 0 for ticks in plan) or concealable % 120
    assert sum(plan) <= missing + 60
    assert plan.concealed_ticks <= max(concealable, 0)
    assert plan.silence_ticks <= 48_000
    assert plan.recovered_ticks in {0, recoverable}
    if missing <= 48_000:
        assert abs(sum(plan) - missing) <= 60


def test_concealment_in_a_row_ends_after_100_ms_whatever_made_it_necessary():
    playing = Playing()
    playing.play(ordered(PLAIN[0]))
    for _ in range(4):
        playing.play(ordered(b"\xff\xff\x00"))
    playing.play(ordered(b"\xff\xff\x00", missing_packets=3))
    origins = [(Origin.CONCEALED, 20)] * 5 + [(Origin.SILENCE, 40), (Origin.SILENCE, 20)]
    assert playing.origins[1:] == origins
    playing.play(ordered(PLAIN[1]))
    playing.play(ordered(PLAIN[3], missing_packets=1))
    assert playing.origins[-2:] == [(Origin.CONCEALED, 20), (Origin.RECEIVED, 20)]
