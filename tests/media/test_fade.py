"""Gains over time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.media.fade import Continuity, Curve, Fade, apply, steady

GAINS = st.floats(0.0, 1.0)


@given(GAINS, GAINS, st.sampled_from(Curve), st.floats(0.0, 2.0), st.floats(-1.0, 3.0))
def test_a_fade_stays_between_its_ends_and_is_at_them_before_and_after(start, target, curve, duration_s, now):
    fade = Fade(start, target, 0.0, duration_s, curve)
    assert min(start, target) - 1e-6 <= fade.at(now) <= max(start, target) + 1e-6
    assert fade.at(duration_s) == target
    assert fade.at(duration_s + 100.0) == target
    if duration_s > 1e-3:
        assert fade.at(-0.5) == pytest.approx(start, abs=1e-6)


@pytest.mark.parametrize("curve", Curve)
def test_samples_are_the_gains_of_their_instants_across_frames(curve):
    fade = Fade(0.2, 0.9, 10.0, 0.1, curve)
    frames = np.concatenate([fade.over(9.98 + 0.02 * frame) for frame in range(8)])
    expected = [fade.at(9.98 + n / 48_000) for n in range(len(frames))]
    assert np.allclose(frames, expected, atol=1e-6)
    assert frames[-1] == np.float32(0.9)


def test_a_linear_fade_is_half_way_after_half_its_time():
    assert Fade(0.0, 1.0, 5.0, 2.0).at(6.0) == pytest.approx(0.5)


def test_two_equal_power_fades_keep_the_power():
    up, down = Fade(0.0, 1.0, 0.0, 0.3, Curve.EQUAL_POWER), Fade(1.0, 0.0, 0.0, 0.3, Curve.EQUAL_POWER)
    for frame in range(15):
        power = up.over(frame * 0.02).astype(float) ** 2 + down.over(frame * 0.02).astype(float) ** 2
        assert np.allclose(power, 1.0, atol=1e-5)


def test_a_steady_gain_does_not_move():
    assert steady(0.3).at(-1e9) == 0.3
    assert np.all(steady(0.3).over(1e9) == np.float32(0.3))


@given(st.lists(GAINS, min_size=2, max_size=20))
def test_whatever_gains_follow_each_other_no_sample_jumps(gains):
    continuity = Continuity(gains[0])
    joined = np.concatenate([continuity.join(np.full(960, gain, np.float32)) for gain in gains])
    assert np.abs(np.diff(np.concatenate(([gains[0]], joined)))).max() < 2e-3
    assert joined[-1] == np.float32(gains[-1])


def test_what_follows_silence_begins_as_it_is():
    wanted = np.full(960, 0.7, np.float32)
    assert Continuity(None).join(wanted) is wanted


def test_at_unity_samples_are_the_same_to_the_bit_and_a_short_frame_gets_the_first_gains():
    samples = np.arange(20, dtype=np.float32).reshape(10, 2)
    assert apply(np.ones(960, np.float32), samples) is samples
    assert np.array_equal(apply(np.linspace(0, 1, 960, dtype=np.float32), samples)[0], [0.0, 0.0])
