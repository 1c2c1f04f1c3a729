import pytest

from clankvox.media.mending import MendingPlan, Patience
from clankvox.media.source_fault import HttpForbidden, PipelineFailed, SpawnFailed

FAULT = PipelineFailed("x")


def test_the_first_try_comes_at_once_and_the_next_ones_later():
    plan = MendingPlan(Patience())
    assert [plan.delay_s(FAULT, 1_000, float(now)) for now in range(5)] == [0.0, 0.5, 1.0, 2.0, 4.0]
    with pytest.raises(PipelineFailed):
        plan.delay_s(FAULT, 1_000, 5.0)


def test_time_runs_out_before_tries_do():
    plan = MendingPlan(Patience(mend_s=30.0))
    plan.delay_s(FAULT, 0, 100.0)
    assert plan.left_s(110.0) == 20.0
    plan.delay_s(FAULT, 0, 129.9)
    with pytest.raises(PipelineFailed):
        plan.delay_s(FAULT, 0, 130.0)


def test_five_seconds_of_music_make_it_sound_again():
    plan = MendingPlan(Patience())
    for number in range(100):
        assert plan.delay_s(FAULT, number * 5_000, number * 60.0) == 0.0


def test_little_progress_does_not_renew_the_budget():
    plan = MendingPlan(Patience())
    for number in range(5):
        plan.delay_s(FAULT, number * 100, 0.0)
    with pytest.raises(PipelineFailed):
        plan.delay_s(FAULT, 500, 0.0)


@pytest.mark.parametrize(("fault", "hopeless"), [(SpawnFailed("x"), True), (HttpForbidden("x"), False)])
def test_what_cannot_be_recovered_is_not_tried_again(fault, hopeless):
    plan = MendingPlan(Patience())
    if hopeless:
        with pytest.raises(SpawnFailed):
            plan.delay_s(fault, 0, 0.0)
    else:
        assert plan.delay_s(fault, 0, 0.0) == 0.0
