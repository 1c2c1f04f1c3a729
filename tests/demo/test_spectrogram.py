import av
import numpy as np
import pytest

from clankvox.demo import spectrogram
from clankvox.demo.spectrogram import RANGE_DB

RATE_HZ = 48_000
BIN_HZ = RATE_HZ / 1024


def a_tone(hz, seconds=1.0, amplitude=8_000):
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(int(RATE_HZ * seconds)) / RATE_HZ)).astype(np.int16)


@pytest.mark.parametrize("hz", [440, 3_000, 11_000])
def test_a_tone_is_brightest_at_its_frequency(hz):
    levels = spectrogram.levels_db(a_tone(hz))

    assert abs(levels[:, 480].argmax() * BIN_HZ - hz) <= BIN_HZ
    assert levels[:, 480].max() > -0.5


def test_a_level_is_relative_to_the_loudest_point():
    levels = spectrogram.levels_db(np.concatenate((a_tone(1_000), a_tone(1_000, amplitude=800))))

    assert levels[:, 720].max() == pytest.approx(-20, abs=0.5)


def test_time_goes_to_the_right():
    levels = spectrogram.levels_db(np.concatenate((np.zeros(RATE_HZ, np.int16), a_tone(1_000))))

    assert levels[:, :470].max() == -RANGE_DB
    assert levels[:, 500:950].max(axis=0).min() > -3


@pytest.mark.parametrize("samples", [np.zeros(48_000, np.int16), np.zeros(10, np.int16), np.zeros(0, np.int16)])
def test_silence_and_next_to_nothing_can_be_drawn(samples):
    picture = spectrogram.render(samples, "nothing")

    assert picture.shape == spectrogram.render(a_tone(440), "something").shape


def test_a_low_tone_is_drawn_below_a_high_one():
    def row(hz):
        plot = spectrogram.render(a_tone(hz), "")[40:360, 64:-24].astype(int).sum(axis=(1, 2))
        return plot.argmax()

    assert row(1_000) > row(5_000) > row(10_000)


def test_the_file_is_a_png_of_the_same_pixels(tmp_path):
    picture = spectrogram.render(a_tone(440), "A tone of 440 Hz")
    spectrogram.save_png(tmp_path / "tone.png", picture)

    assert (tmp_path / "tone.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    with av.open(str(tmp_path / "tone.png")) as container:
        read = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert np.array_equal(read, picture)
