from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.protocol.watchdog import UNANSWERED_PROOF, UNOPENED_PROOF, Cause, Step, Watchdog

ALL = tuple(Step)


class Periods:
    """Keepalive periods of 5 s, one after the other, and what the watchdog says of each."""

    def __init__(self, ladder=ALL):
        self.dog = Watchdog(ladder)
        self.now = self.opened = self.unopened = 0
        self.next()

    def next(self, opened=0, unopened=0, unanswered=0, *, speak=True, helped=False):
        self.now += 5
        self.opened += opened
        self.unopened += unopened
        return self.dog.observe(
            float(self.now),
            opened=self.opened,
            unopened=self.unopened,
            unanswered=unanswered,
            somebody_speaks=speak,
            helped=helped,
        )

    def deaf(self):
        return self.next(unopened=250)

    def steps(self, count):
        return [verdict.step if verdict else None for verdict in (self.deaf() for _ in range(count))]


def test_ciphertext_that_never_opens_is_proof_within_one_period():
    assert Periods().next(unopened=UNOPENED_PROOF) == (Step.UDP, Cause.UNDECRYPTABLE)


def test_a_few_frames_that_do_not_open_prove_nothing():
    assert Periods().next(unopened=UNOPENED_PROOF - 1) is None


def test_whoever_is_heard_disproves_it():
    assert Periods().next(opened=1, unopened=250) is None


def test_the_steps_are_taken_in_order_one_a_period_and_then_no_more():
    assert Periods().steps(7) == [Step.UDP, Step.DAVE, Step.RESUME, Step.REJOIN, None, None, None]


def test_a_pause_between_proofs_does_not_begin_the_ladder_anew():
    periods = Periods()
    assert periods.steps(1) == [Step.UDP]
    assert periods.next() is None
    assert periods.steps(1) == [Step.DAVE]


def test_hearing_takes_the_ladder_back_to_its_foot():
    periods = Periods()
    assert periods.steps(2) == [Step.UDP, Step.DAVE]
    assert periods.next(opened=50) is None
    assert periods.steps(1) == [Step.UDP]


def test_a_rejoin_is_made_once_in_five_minutes_whatever_is_heard_between():
    periods, rejoined = Periods(), []
    for _ in range(80):
        steps = periods.steps(4)
        rejoined += [periods.now] if Step.REJOIN in steps else []
        periods.next(opened=1)
    assert len(rejoined) > 2
    assert all(later - earlier >= 300 for earlier, later in pairwise(rejoined))


def test_unanswered_keepalives_are_proof_only_when_nothing_is_heard():
    assert Periods().next(unanswered=UNANSWERED_PROOF) == (Step.UDP, Cause.UNANSWERED)
    assert Periods().next(unanswered=UNANSWERED_PROOF, opened=1) is None
    assert Periods().next(unanswered=UNANSWERED_PROOF - 1) is None


def test_in_silence_they_are_worth_a_new_socket_and_no_more():
    periods = Periods()
    steps = [periods.next(unanswered=UNANSWERED_PROOF, speak=False) for _ in range(4)]
    assert steps == [(Step.UDP, Cause.UNANSWERED), None, None, None]
    assert periods.next(unanswered=UNANSWERED_PROOF) == (Step.RESUME, Cause.UNANSWERED)


def test_an_answer_takes_the_ladder_back_to_its_foot_if_that_was_what_was_missing():
    periods = Periods()
    for unanswered, step in ((UNANSWERED_PROOF, Step.UDP), (0, None), (UNANSWERED_PROOF, Step.UDP)):
        verdict = periods.next(unanswered=unanswered)
        assert (verdict and verdict.step) is step
    assert periods.deaf().step is Step.UDP
    assert periods.next(unanswered=0) is None
    assert periods.deaf().step is Step.DAVE


def test_between_two_looks_a_second_apart_no_step_hurries_the_one_before():
    dog, steps = Watchdog(ALL), {}
    for second in range(30):
        verdict = dog.observe(float(second), opened=9, unopened=second * 50, unanswered=0, somebody_speaks=True)
        if verdict is not None:
            steps[second] = verdict.step
    assert list(steps.values()) == list(ALL)
    assert next(iter(steps)) == 3
    assert all(later - earlier == 5 for earlier, later in pairwise(steps))


def test_a_few_frames_now_and_then_never_become_proof():
    dog = Watchdog(ALL)
    for second in range(600):
        assert dog.observe(float(second), opened=9, unopened=second * 7, unanswered=0, somebody_speaks=True) is None


def test_that_somebody_is_said_to_speak_proves_nothing():
    assert [Periods().next(speak=True) for _ in range(9)] == [None] * 9


def test_silence_on_the_way_is_no_matter_of_the_encryption():
    periods = Periods()
    steps = [periods.next(unanswered=UNANSWERED_PROOF).step for _ in range(3)]
    assert steps == [Step.UDP, Step.RESUME, Step.REJOIN]


def test_nothing_is_done_while_something_is_being_done():
    periods = Periods()
    assert periods.next(unopened=250, helped=True) is None
    assert periods.steps(1) == [Step.UDP]


def test_the_first_look_has_nothing_to_compare_with():
    dog = Watchdog(ALL)
    assert dog.observe(5.0, opened=0, unopened=900, unanswered=9, somebody_speaks=True) is None


@pytest.mark.parametrize("ladder", [(), (Step.UDP, Step.DAVE, Step.RESUME)])
def test_a_role_takes_only_the_steps_that_it_can(ladder):
    assert Periods(ladder).steps(5) == [*ladder, *[None] * (5 - len(ladder))]


PERIOD = st.fixed_dictionaries(
    {"opened": st.integers(0, 2), "unopened": st.sampled_from([0, 20, 250]), "unanswered": st.integers(0, 4)}
)


@given(st.lists(PERIOD, max_size=60))
def test_every_step_has_its_proof_and_between_two_successes_none_comes_twice(drawn):
    periods, taken, cause = Periods(), [], None
    for period in drawn:
        verdict = periods.next(**period)
        if period["opened"] or (period["unanswered"] == 0 and cause is Cause.UNANSWERED):
            taken, cause = [], None
        assert not (verdict and period["opened"])
        if verdict is not None:
            assert period["unopened"] >= UNOPENED_PROOF or period["unanswered"] >= UNANSWERED_PROOF
            assert verdict.step not in taken
            assert ALL.index(verdict.step) >= len(taken)
            taken.append(verdict.step)
            cause = verdict.cause
