import wave

import numpy as np
import pytest

from clankvox.demo import sound
from clankvox.demo.alignment import align
from clankvox.demo.plan import make_plan
from clankvox.demo.sound import NoSound, OpusSettings


def a_tone(hz=440, rate_hz=48_000, seconds=1.0):
    return (8_000 * np.sin(2 * np.pi * hz * np.arange(int(rate_hz * seconds)) / rate_hz)).astype(np.int16)


def test_a_saved_file_is_loaded_sample_by_sample(tmp_path):
    samples = a_tone()
    sound.save_wav(tmp_path / "tone.wav", samples)

    assert np.array_equal(sound.load(tmp_path / "tone.wav"), samples)


def test_a_stereo_file_with_the_same_sound_in_both_channels_is_loaded_at_its_level(tmp_path):
    samples = a_tone()
    sound.save_wav(tmp_path / "tone.wav", samples, channels=2)

    with wave.open(str(tmp_path / "tone.wav")) as file:
        assert (file.getnchannels(), file.getnframes()) == (2, len(samples))
    assert np.abs(sound.load(tmp_path / "tone.wav").astype(int) - samples).max() <= 1


def test_another_rate_keeps_length_and_level(tmp_path):
    sound.save_wav(tmp_path / "tone.wav", a_tone(rate_hz=16_000), 16_000)

    loaded = sound.load(tmp_path / "tone.wav", 48_000)

    assert abs(len(loaded) - 48_000) <= 48
    assert align(a_tone()[:40_000], loaded).snr_db > 40


def test_no_more_than_the_limit_is_loaded(tmp_path):
    sound.save_wav(tmp_path / "tone.wav", a_tone(seconds=2))

    assert len(sound.load(tmp_path / "tone.wav", limit_s=0.5)) == 24_000


@pytest.mark.parametrize("content", [None, b"", b"not a sound file at all"])
def test_what_is_no_sound_is_refused(tmp_path, content):
    path = tmp_path / "file.wav"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(NoSound, match=r"file\.wav"):
        sound.load(path)


def test_plain_opus_delays_by_its_lookahead_and_keeps_the_waveform(tmp_path):
    plan = make_plan([], 0.0, tmp_path, tmp_path)
    said = plan.members[0].said

    found = align(said, sound.through_opus(said, OpusSettings(96_000, 0)))

    assert found.delay_ms == 6.5
    assert found.snr_db > 20
    assert found.lost_ms == 0


def test_fec_costs_waveform_which_the_baseline_has_to_know(tmp_path):
    said = make_plan([], 0.0, tmp_path, tmp_path).members[0].said

    without = align(said, sound.through_opus(said, OpusSettings(128_000, 0))).snr_db
    with_fec = align(said, sound.through_opus(said, OpusSettings(128_000, 5))).snr_db

    assert with_fec < without - 3
