import numpy as np
import pytest

from clankvox.media.voice_activity import VoiceActivity
from tests.support.spoken import voice

RATES = [8_000, 16_000, 24_000, 44_100, 48_000]


def noise(seconds, rms, rate=24_000, seed=1):
    return (np.random.default_rng(seed).standard_normal(int(seconds * rate)) * rms).astype(np.int16)


def judge(detector, pcm, rate=24_000, piece_ms=20):
    size = rate * piece_ms // 1_000
    pieces = [pcm[start : start + size] for start in range(0, len(pcm) - size + 1, size)]
    return [detector.judge(piece, rate).speech_ticks / 48 for piece in pieces]


@pytest.mark.parametrize("rate", RATES)
def test_what_stands_over_a_known_noise_is_speech_at_any_rate(rate):
    detector = VoiceActivity()
    judge(detector, noise(3.0, 100, rate), rate)
    assert sum(judge(detector, noise(1.0, 100, rate, seed=2), rate)) == 0
    loud = noise(1.0, 3_000, rate, seed=3)
    assert sum(judge(detector, loud, rate)) == pytest.approx(1_000, abs=25)


def test_a_loud_fan_is_noise_once_it_is_known():
    detector = VoiceActivity()
    judge(detector, noise(2.5, 2_000))
    assert sum(judge(detector, noise(2.0, 2_000, seed=2))) == 0


def test_a_voice_is_speech_from_its_beginning_and_stays_so():
    detector = VoiceActivity()
    pcm = voice(8.0, 1)[::2]
    spoken = judge(detector, pcm)
    assert sum(spoken[:50]) > 400
    assert sum(spoken[200:]) > 0.4 * 20 * len(spoken[200:])


@pytest.mark.parametrize("rms", [0, 3])
def test_what_nobody_can_hear_is_no_speech_and_no_noise_to_learn(rms):
    detector = VoiceActivity()
    assert sum(judge(detector, noise(4.0, rms))) == 0
    assert sum(judge(detector, noise(0.5, 1_000, seed=2))) == pytest.approx(500)


@pytest.mark.parametrize("piece_ms", [2.5, 5, 10, 60, 120])
def test_pieces_of_any_length_count_their_own_time(piece_ms):
    size = int(24 * piece_ms)
    activity = VoiceActivity().judge(noise(1.0, 3_000)[:size], 24_000)
    assert activity.speech_ticks == piece_ms * 48


def test_the_energy_is_exact_and_the_scratch_is_wiped():
    detector = VoiceActivity()
    pcm = noise(0.0205, 9_000)
    assert detector.judge(pcm, 24_000).square_sum == pytest.approx(float((pcm.astype(np.float64) ** 2).sum()), rel=1e-5)
    assert not detector._scratch.any()
    assert detector.judge(pcm[:0], 24_000) == (0, 0.0)


def test_what_is_remembered_stays_bounded():
    detector = VoiceActivity()
    judge(detector, noise(30.0, 100))
    assert len(detector._lowest) <= 101
    for step in range(500):  # ever louder: nothing newer is below, so every level counts until it is too old
        judge(detector, noise(0.02, 100 + step, seed=step))
    assert len(detector._lowest) <= 101


def test_the_floor_is_the_quietest_of_the_last_two_seconds_and_forgets_what_is_older():
    detector = VoiceActivity()
    levels = np.random.default_rng(4).uniform(-70, -20, 600).tolist()
    for count, level in enumerate(levels, 1):
        detector._learn(level, 960)
        if count >= 100:
            assert detector._floor_dbfs == min(levels[count - 100 : count])
