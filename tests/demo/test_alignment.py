import numpy as np
import pytest

from clankvox.demo.alignment import align

RATE_HZ = 48_000


def a_voice(seed=1, seconds=1.0):
    """Noise with an envelope like syllables: its autocorrelation has one peak."""
    count = int(RATE_HZ * seconds)
    noise = np.random.default_rng(seed).normal(0, 3_000, count)
    return (noise * (1.2 + np.sin(np.arange(count) * 2 * np.pi * 4 / RATE_HZ))).clip(-32_000, 32_000).astype(np.int16)


def test_an_exact_copy_is_found_at_once_and_without_noise():
    voice = a_voice()

    found = align(voice, voice)

    assert (found.delay_ms, found.lost_ms) == (0, 0)
    assert found.gain == pytest.approx(1)
    assert found.snr_db > 100


@pytest.mark.parametrize("delay", [1, 312, 24_000])
def test_a_delayed_copy_gives_its_delay(delay):
    voice = a_voice()

    found = align(voice, np.concatenate((np.zeros(delay, np.int16), voice)))

    assert found.delay_ms == pytest.approx(delay * 1000 / RATE_HZ)
    assert found.snr_db > 100


@pytest.mark.parametrize(("gain", "snr_db"), [(1.0, 30), (0.5, 20), (0.25, 10), (0.8, 3)])
def test_a_scaled_and_noisy_copy_gives_its_gain_and_snr(gain, snr_db):
    voice = a_voice(seconds=3)
    scaled = voice * gain
    noise = np.random.default_rng(2).normal(0, scaled.std() * 10 ** (-snr_db / 20), len(voice))
    heard = np.concatenate((np.zeros(4_800), scaled + noise)).clip(-32_768, 32_767).astype(np.int16)

    found = align(voice, heard)

    assert found.delay_ms == 100
    assert found.gain == pytest.approx(gain, rel=0.02)
    assert found.snr_db == pytest.approx(snr_db, abs=0.2)


def test_a_missing_beginning_is_a_negative_delay_and_lost_time():
    voice = a_voice(seconds=2)

    found = align(voice, voice[RATE_HZ // 2 :])

    assert found.delay_ms == -500
    assert found.lost_ms == 500


def test_a_missing_end_is_lost_time():
    voice = a_voice(seconds=2)

    found = align(voice, voice[: RATE_HZ * 3 // 2])

    assert found.delay_ms == 0
    assert found.lost_ms == 500
    assert found.snr_db < 8


def test_holes_are_counted_and_pauses_of_the_original_are_not():
    voice = a_voice(seconds=2)
    voice[48_000:57_600] = 0  # a pause of 200 ms
    heard = voice.copy()
    heard[9_600:14_400] = 0  # 100 ms that did not arrive

    assert align(voice, heard).lost_ms == 100


@pytest.mark.parametrize("frames", [1, 3, 10])
def test_a_pause_that_a_late_sender_put_in_is_a_slip_and_no_noise(frames):
    voice = a_voice(seconds=2)
    at = 33_600
    heard = np.concatenate((np.zeros(480, np.int16), voice[:at], np.zeros(960 * frames, np.int16), voice[at:]))

    found = align(voice, heard)

    assert (found.delay_ms, found.slipped_ms, found.lost_ms) == (10, 20 * frames, 0)
    assert found.snr_db > 20
    assert found.gain == pytest.approx(1, abs=0.01)


def test_frames_that_were_left_out_are_a_slip_and_lost():
    voice = a_voice(seconds=2)

    found = align(voice, np.concatenate((voice[:48_000], voice[48_000 + 2_880 :])))

    assert found.slipped_ms == 60
    assert 10 < found.snr_db < 20


def test_what_stays_in_place_has_not_slipped():
    voice = a_voice(seconds=3)
    noise = np.random.default_rng(3).normal(0, voice.std(), len(voice))

    assert align(voice, (voice * 0.5 + noise * 0.5).astype(np.int16)).slipped_ms == 0


def test_another_voice_is_not_taken_for_it():
    assert align(a_voice(1), a_voice(2)).snr_db < -10


@pytest.mark.parametrize("heard", [np.zeros(48_000, np.int16), np.zeros(0, np.int16)])
def test_silence_holds_nothing_of_it(heard):
    found = align(a_voice(), heard)

    assert found.snr_db == float("-inf")
    assert found.lost_ms == 1000


def test_another_rate_gives_the_same_times():
    voice = a_voice()[:24_000]

    found = align(voice, np.concatenate((np.zeros(2_400, np.int16), voice)), rate_hz=24_000)

    assert found.delay_ms == 100
