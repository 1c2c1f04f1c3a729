from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.protocol.backoff import AttemptBudget, Backoff


class _Fixed(Random):
    def __init__(self, value):
        super().__init__(0)
        self._value = value

    def random(self):
        return self._value


@pytest.mark.parametrize(("attempt", "longest_s"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 16), (10**9, 16)])
def test_the_delay_doubles_up_to_16_s_and_jitter_takes_at_most_half(attempt, longest_s):
    assert Backoff(_Fixed(0.0)).delay_s(attempt) == longest_s / 2
    assert Backoff(_Fixed(1.0)).delay_s(attempt) == longest_s


def test_delays_of_one_attempt_differ():
    backoff = Backoff(Random(7))
    assert len({backoff.delay_s(3) for _ in range(20)}) == 20


def test_attempts_count_from_one():
    with pytest.raises(ValueError, match="from 1"):
        Backoff(Random(1)).delay_s(0)


def test_a_budget_is_refused_when_used_up_and_refills_with_time():
    budget = AttemptBudget(limit=3, window_s=10.0)
    assert [budget.spend(now) for now in (0.0, 1.0, 2.0, 3.0, 9.9)] == [True, True, True, False, False]
    assert budget.spend(10.0)
    assert not budget.spend(10.5)
    assert budget.spend(11.0)


def test_a_budget_of_none_is_never_granted():
    assert not AttemptBudget(limit=0, window_s=5.0).spend(1e9)


@given(st.lists(st.floats(0.0, 30.0)), st.integers(0, 4))
def test_no_window_ever_holds_more_attempts_than_the_limit(steps, limit):
    budget, now, granted = AttemptBudget(limit, 20.0), 0.0, []
    for step in steps:
        now += step
        if budget.spend(now):
            granted.append(now)
    for end in granted:
        assert sum(1 for at in granted if at <= end and end - at < 20.0) <= limit
