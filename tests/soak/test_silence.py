"""The silence of `make soak`, a few seconds of it: the instrument, and that a keepalive comes in time."""

import pytest

from tools.soak.silence import Silence, judge

SILENT_S = 7.0
FORGETS_S = 6.0
"""More than the time between two keepalives."""


@pytest.fixture(scope="module")
def outcome():
    with Silence(SILENT_S, FORGETS_S) as run:
        return run.hold()


def failed(outcome):
    return [bar.name for bar in judge(outcome) if not bar.held and not bar.timed]


@pytest.mark.process
@pytest.mark.timeout(120)
def test_the_next_word_is_heard_behind_a_nat_that_forgets_whether_it_is_theirs_or_ours(outcome):
    assert failed(outcome) == []
    assert all(keepalives >= 1 for keepalives in outcome.keepalives)
    assert None not in (outcome.theirs_after_s, outcome.ours_after_s)


@pytest.mark.process
@pytest.mark.parametrize(
    ("change", "bar"),
    [
        ({"forgotten": 1}, "datagrams that met a NAT that had forgotten us"),
        ({"packets": 1}, "packets of ours in silence"),
        ({"heard_frames": 24}, "frames of their word that we did not hear"),
        ({"opened_frames": 24}, "frames of our word that a member did not hear"),
        ({"recoveries": 1}, "steps of the watchdog"),
    ],
)
def test_a_silence_in_which_one_thing_is_wrong_does_not_pass(outcome, change, bar):
    assert failed(outcome._replace(**change)) == [bar]


@pytest.mark.process
def test_a_word_that_never_came_is_late(outcome):
    assert not all(bar.held for bar in judge(outcome._replace(theirs_after_s=None)))
