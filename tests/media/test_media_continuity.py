"""Media time only grows, and jumps of the container's clock are joined."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.media.media_continuity import ContinuousTime, TimeBase


@given(st.lists(st.one_of(st.none(), st.floats(-1e5, 1e5)), max_size=50))
def test_time_only_grows_and_never_leaps(times):
    clock, at = ContinuousTime(0.001), []
    at = [clock.at(time) for time in times]
    steps = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert all(0.0009 < step <= 10.01 for step in steps)


def test_plain_time_passes_unchanged():
    clock = ContinuousTime(0.001)
    assert [clock.at(time) for time in (7.0, 7.04, 7.08)] == [7.0, 7.04, 7.08]


def test_a_new_time_base_is_joined_on_and_runs_on():
    clock = ContinuousTime(0.001)
    at = [clock.at(time) for time in (95_443.0, 95_443.04, 0.0, 0.04, 0.08)]
    assert at[2:] == pytest.approx([95_443.041, 95_443.081, 95_443.121])


def test_a_real_gap_of_seconds_is_kept():
    clock = ContinuousTime(0.001)
    assert [clock.at(time) for time in (0.0, 8.0)] == [0.0, 8.0]


def two_tracks():
    """Pictures each 40 ms and sound each 20 ms, as media times."""
    base = TimeBase()
    pictures, sound = ContinuousTime(0.001, base), ContinuousTime(0.001, base)
    return pictures, sound


@pytest.mark.parametrize("jump_s", [-300.0, -2.0, 12.0, 95_443.0])
@pytest.mark.parametrize("first", ["pictures", "sound"])
def test_tracks_that_jump_one_behind_the_other_stay_together(jump_s, first):
    pictures, sound = two_tracks()
    for number in range(100):
        pictures.at(400 + number * 0.04)
        sound.at(400 + number * 0.04)
    one, other = (pictures, sound) if first == "pictures" else (sound, pictures)
    seen = [one.at(404 + jump_s + number * 0.04) for number in range(10)]
    other.at(404.0)
    heard = [other.at(404 + jump_s + number * 0.04) for number in range(10)]
    assert heard[2:] == pytest.approx(seen[2:])
    assert seen[0] == pytest.approx(404, abs=0.05)


@pytest.mark.parametrize("sparse", ["pictures", "sound"])
def test_a_long_gap_in_one_track_is_kept_where_the_other_one_goes_on(sparse):
    pictures, sound = two_tracks()
    dense = sound if sparse == "pictures" else pictures
    rare = pictures if sparse == "pictures" else sound
    for second in range(121):
        assert dense.at(float(second)) == second
        if second % 30 == 0:
            assert rare.at(float(second)) == second


def test_a_time_behind_the_end_of_its_container_is_not_believed():
    times = ContinuousTime(0.001, TimeBase(believed_s=100.0))
    assert times.at(0.0) == 0.0
    assert times.at(60.0) == 60.0
    assert times.at(5_000.0) == pytest.approx(60.001)
    assert times.at(5_000.04) == pytest.approx(60.041)
