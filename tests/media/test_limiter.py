"""What the limiter lets through, and what it turns down."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from clankvox.media.limiter import FULL_SCALE, THRESHOLD, SoftLimiter
from tests.support.spoken import tone, voice


def frames_of(mono, dtype=np.float32):
    both = np.repeat(mono[:, np.newaxis], 2, axis=1).astype(dtype)
    return [both[start : start + 960] for start in range(0, len(both) - 959, 960)]


def run(frames):
    limiter = SoftLimiter()
    return np.concatenate([limiter.process(frame) for frame in frames])


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_below_minus_one_dbfs_every_sample_is_as_it_was(dtype):
    quiet = tone(1.0, amplitude=int(THRESHOLD))
    assert np.array_equal(run(frames_of(quiet, dtype))[:, 0], quiet)


def test_two_buses_at_full_scale_do_not_clip():
    loud = 2.0 * tone(1.0, 220.0, amplitude=32_767)
    out = run(frames_of(loud)).astype(np.float64)
    assert np.abs(out).max() <= FULL_SCALE
    # once the gain has settled it is the same wave, 1 dB below full scale, and not a clipped one
    settled = out[9600:38_400, 0]
    assert np.abs(settled).max() == pytest.approx(THRESHOLD, rel=0.01)
    assert np.abs(settled - loud[9600:38_400] * (THRESHOLD / np.abs(loud).max())).max() < 400


def test_a_sudden_peak_makes_no_click():
    loud = 1.0 * tone(0.2, 200.0, amplitude=9_000)
    loud[4810:] *= 7
    out = run(frames_of(loud)).astype(np.float64)[:, 0]
    assert np.abs(np.diff(out)).max() <= np.abs(np.diff(loud)).max() * 1.05


def test_a_frame_that_is_too_loud_from_its_first_sample_is_turned_down_without_a_step():
    wave = 40_000 * np.cos(2 * np.pi * 25 * np.arange(1920) / 48_000)
    out = run(frames_of(wave)).astype(np.float64)[:, 0]
    assert np.abs(np.diff(out)).max() < 300  # the wave itself: 131


def test_after_a_peak_the_level_comes_back_to_bit_exact():
    sound = 1.0 * voice(3.0)
    sound[:4800] = tone(0.1, amplitude=20_000) * 3.0
    out = run(frames_of(sound))[:, 0]
    assert np.array_equal(out[96_000:], sound[96_000:].astype(np.int16))
    assert not np.array_equal(out[4800:9600], sound[4800:9600].astype(np.int16))


def test_both_channels_share_the_gain():
    frame = np.stack((tone(0.02, 500.0) * 5.0, tone(0.02, 500.0) * 0.5), axis=1).astype(np.float32)
    limiter = SoftLimiter()
    limiter.process(frame)
    out = limiter.process(frame).astype(np.float64)
    ratio = np.abs(out[:, 0]).sum() / np.abs(out[:, 1]).sum()
    assert ratio == pytest.approx(10.0, rel=0.01)


def test_reset_begins_at_unity():
    limiter = SoftLimiter()
    limiter.process(frames_of(tone(0.02) * 9.0)[0])
    limiter.reset()
    quiet = frames_of(tone(0.02), np.int16)[0]
    assert np.array_equal(limiter.process(quiet), quiet)


def test_a_frame_of_another_length_is_refused():
    with pytest.raises(ValueError, match="960"):
        SoftLimiter().process(np.zeros((959, 2), np.int16))


@settings(max_examples=60, deadline=None)
@given(st.lists(arrays.arrays(np.float32, (4, 2), elements=st.floats(-200_000, 200_000, width=32)), max_size=6))
def test_nothing_ever_leaves_full_scale_or_changes_its_sign(peaks):
    limiter = SoftLimiter()
    for values in peaks:
        frame = np.zeros((960, 2), np.float32)
        frame[::240] = values
        out = limiter.process(frame)
        assert out.dtype == np.int16
        assert np.abs(out.astype(np.int32)).max() <= FULL_SCALE
        assert np.all(out * frame >= 0)


def test_frames_that_it_changes_are_counted():
    limiter = SoftLimiter()
    quiet, loud = np.full((960, 2), 1_000, np.int16), np.full((960, 2), 40_000, np.float32)
    limiter.process(quiet)
    assert limiter.limited_frames == 0
    limiter.process(loud)
    limiter.process(quiet)  # the gain is on its way back
    assert limiter.limited_frames == 2
