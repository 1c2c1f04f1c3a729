"""At the end of a full run: actors took every declared transition of every machine."""

import pytest

from clankvox.fsm import MACHINES
from clankvox.fsm.base import TransitionNotAllowed
from tests.support.transitions import TAKEN, declared


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
    folders = {item.path.parent.name for item in request.session.items}
    if not {"actors", "stateful"} <= folders or request.session.testsfailed:
        pytest.skip("only the whole run of tests/actors and tests/stateful takes them all")
    missing = sorted(declared() - TAKEN)
    assert not missing, "never taken:\n" + "\n".join(" ".join(taken) for taken in missing)
    assert declared() >= TAKEN
