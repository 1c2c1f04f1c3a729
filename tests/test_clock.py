from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.clock import SLOT_S, SlotGrid, SystemClock


def test_the_system_clock_never_goes_back_and_knows_the_date():
    clock = SystemClock()
    first = clock.now()
    clock.sleep(0.001)
    assert clock.now() > first
    assert clock.unix_ms() > 1_600_000_000_000


def test_after_a_rephase_the_next_slot_is_now():
    grid = SlotGrid()
    grid.rephase(5.0)
    assert grid.deadline() == 5.0
    assert grid.advance(5.0) == 0
    assert grid.deadline() == 5.0 + SLOT_S


def test_a_late_slot_is_served_once_and_the_missed_ones_are_skipped():
    grid = SlotGrid()
    grid.rephase(0.0)
    grid.advance(0.0)
    assert grid.advance(0.039) == 0
    assert grid.advance(0.131) == 4
    assert round(grid.deadline(), 6) == 0.14


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0.0, 0.2), min_size=1, max_size=60))
def test_deadlines_stay_on_the_grid_and_never_repeat(waits):
    grid = SlotGrid()
    grid.rephase(100.0)
    now, served = 100.0, 0
    for wait in waits:
        due = grid.deadline()
        now = max(now + wait, due)
        served += 1 + grid.advance(now)
        assert grid.deadline() > due
        assert abs((grid.deadline() - 100.0) / SLOT_S - served) < 1e-6
