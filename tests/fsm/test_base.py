import pytest
from statemachine import Event
from statemachine.exceptions import InvalidDefinition, TransitionNotAllowed

from clankvox.fsm import MACHINES
from clankvox.fsm.base import StrictMachine, Transition
from clankvox.fsm.router import RouterMachine, RouterState
from tests.support.transitions import declared


def test_an_event_without_a_transition_raises_and_changes_nothing():
    machine = RouterMachine()
    with pytest.raises(TransitionNotAllowed):
        machine.command_settled()
    assert machine.current_state_value is RouterState.SERVING


def test_an_exception_of_the_observer_is_not_swallowed():
    def observe(_taken):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        RouterMachine(observe).command_forwarded()


def test_the_observer_sees_each_transition_once():
    seen = []
    machine = RouterMachine(seen.append)
    machine.command_forwarded()
    machine.stop_requested()
    assert seen == [
        Transition("RouterMachine", "command_forwarded", "serving", "settling"),
        Transition("RouterMachine", "stop_requested", "settling", "stopping"),
    ]


def test_every_machine_is_strict_and_has_a_docstring():
    for machine in MACHINES:
        assert issubclass(machine, StrictMachine)
        assert machine.__doc__
        assert not machine.catch_errors_as_events
        assert not machine.allow_event_without_transition


def test_no_transition_is_declared_twice():
    for machine in MACHINES:
        total = sum(len(list(transition.events)) for state in machine.states for transition in state.transitions)
        assert total == len([taken for taken in declared() if taken.machine == machine.__name__])


def test_a_misspelt_state_does_not_define_a_machine():
    with pytest.raises((InvalidDefinition, AttributeError)):

        class Broken(StrictMachine):
            s = RouterMachine.s
            go = Event(s.NOWHERE.to(s.SERVING))
