"""Media time only grows, and jumps of the container's clock are joined."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.media.media_continuity import ContinuousTime


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
