from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.protocol.backoff import AttemptBudget, Backoff
from clankvox.protocol.close_codes import BUDGETS, Recovery
from clankvox.protocol.resumption import KEPT_FRAMES, RESUME_WINDOW_S, TRY_S, Resumption


def budget():
    return AttemptBudget(*BUDGETS[Recovery.RESUME])


def outage(began=0.0, budget_of_the_role=None, seed=1):
    return Resumption(began, budget_of_the_role or budget(), Backoff(Random(seed)))


def test_the_first_try_is_made_at_once_and_later_ones_back_off():
    resumption = outage()
    assert resumption.next_try(0.0) == 0.0
    assert 0.6 <= resumption.next_try(0.1) <= 1.1
    assert 1.5 <= resumption.next_try(0.5) <= 2.5


def test_three_tries_are_all():
    resumption = outage()
    assert [resumption.next_try(0.0) is None for _ in range(4)] == [False, False, False, True]


def test_tries_of_several_outages_share_one_budget_which_comes_back():
    shared = budget()
    for _ in range(3):
        assert outage(0.0, shared).next_try(0.0) == 0.0
    assert outage(1.0, shared).next_try(1.0) is None
    assert outage(10.0, shared).next_try(10.0) == 10.0


@given(st.lists(st.floats(0.0, 20.0), max_size=8), st.integers(0, 99))
def test_no_try_begins_behind_the_window_or_lasts_beyond_it(moments, seed):
    resumption = outage(seed=seed)
    for now in sorted(moments):
        due = resumption.next_try(now)
        if due is not None:
            assert due < RESUME_WINDOW_S
            assert 0.0 < resumption.patience_s(due) <= TRY_S
            assert due + resumption.patience_s(due) <= RESUME_WINDOW_S + 1e-9


def test_what_is_kept_comes_back_once_in_its_order():
    resumption = outage()
    frames = ["a", b"b", "c"]
    assert all(resumption.keep(frame) for frame in frames)
    assert (resumption.take_kept(), resumption.take_kept()) == (frames, [])


@pytest.mark.parametrize("frame", ["text", b"binary"])
def test_what_is_kept_is_bounded_and_says_so(frame):
    resumption = outage()
    assert [resumption.keep(frame) for _ in range(KEPT_FRAMES + 1)] == [True] * KEPT_FRAMES + [False]
    assert len(resumption.take_kept()) == KEPT_FRAMES
