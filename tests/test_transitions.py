"""At the end of a full run: actors took every declared transition of every machine."""

from collections import Counter

import pytest

from clankvox.fsm import MACHINES
from clankvox.fsm.base import TransitionNotAllowed
from tests.support.transitions import TAKEN, declared

FOLDERS = {"actors", "stateful"}
"""Whose tests take them."""


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.__name__)
def test_every_event_in_every_state_leads_where_it_is_declared_or_is_refused(machine):
    for state in machine.states:
        for event in machine.events:
            targets = {taken.target for taken in declared() if taken[:3] == (machine.__name__, event.id, state.value)}
            instance = machine(start_value=state.value)
            try:
                getattr(instance, event.id)()
            except TransitionNotAllowed:
                assert not targets
            assert str(instance.current_state_value) in (targets or {str(state.value)})


def test_every_declared_transition_was_taken_by_an_actor(request):
    """Judged in every full run; a part of one is told what it did not take."""
    missing = sorted(declared() - TAKEN)
    not_run = sorted(FOLDERS - {item.path.parent.name for item in request.session.items})
    if not_run or request.config.option.keyword:
        machines = Counter(taken.machine for taken in missing)
        left = ", ".join(f"{number} of {machine}" for machine, number in sorted(machines.items()))
        pytest.skip(f"only the whole run of tests/actors and tests/stateful takes all; not taken in this one: {left}")
    listed = "\n".join(" ".join(taken) for taken in missing)
    assert not missing, f"never taken{_excuse(request.session.testsfailed)}:\n{listed}"


def test_no_actor_took_a_transition_that_is_not_declared():
    assert declared() >= TAKEN


def _excuse(failed):
    """A test that fails takes fewer steps: say so, and judge all the same."""
    return f", but {failed} tests failed before and may have taken them" if failed else ""
