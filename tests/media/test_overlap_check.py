import av
import numpy as np

from clankvox.media.overlap_check import OverlapCheck

RNG = np.random.default_rng(7)
MUSIC = RNG.normal(0.0, 4_000.0, (48_000, 2)).astype(np.int16)


def frames(samples, rate_hz=48_000):
    for begin in range(0, len(samples), 960):
        made = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[begin : begin + 960]).reshape(1, -1), format="s16", layout="stereo"
        )
        made.sample_rate = rate_hz
        yield made


def check(before, again, last_unwanted=960, rate_hz=48_000):
    overlap = OverlapCheck()
    for frame in frames(before):
        overlap.deliver(frame)
    overlap.begin()
    for frame in frames(again, rate_hz):
        overlap.hear_again(frame, frame.samples)
    return overlap.fits(last_unwanted)


def test_the_same_sound_fits():
    assert check(MUSIC[:24_000], MUSIC[:24_000])


def test_so_does_one_that_reaches_past_the_position():
    assert check(MUSIC[:23_520], MUSIC[:24_000], last_unwanted=480)


def test_so_does_the_same_sound_with_other_noise():
    noise = RNG.normal(0.0, 400.0, (24_000, 2)).astype(np.int16)
    assert check(MUSIC[:24_000], MUSIC[:24_000] + noise)


def test_another_place_does_not():
    assert not check(MUSIC[:24_000], MUSIC[24_000:])


def test_nor_does_the_same_place_ten_samples_off():
    assert not check(MUSIC[:24_000], MUSIC[10:24_010])


def test_where_there_is_nothing_to_compare_it_fits():
    assert check(MUSIC[:0], MUSIC)
    assert check(MUSIC, MUSIC[:0])
    assert check(np.zeros_like(MUSIC), np.zeros_like(MUSIC))
    assert check(MUSIC[:24_000], MUSIC[24_000:], rate_hz=44_100)


def test_only_the_last_frames_are_kept():
    overlap = OverlapCheck()
    for frame in frames(np.tile(MUSIC, (10, 1))):
        overlap.deliver(frame)
    assert len(overlap._delivered) <= 6
