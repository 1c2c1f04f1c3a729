"""What every machine shares: strict rules, and one listener that tells of each transition.

A machine is private to one actor and runs on that actor's thread. Machines hold states, events and guards only;
effects are straight-line code in the actor. python-statemachine's SCXML defaults would swallow a failing callback
and ignore an undeclared event, so they are switched off here, once.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from statemachine import State, StateChart
from statemachine.exceptions import TransitionNotAllowed

__all__ = ["StrictMachine", "Transition", "TransitionNotAllowed"]


class Transition(NamedTuple):
    """One transition that was taken."""

    machine: str
    event: str
    source: str
    target: str
    cause: str = ""
    """Why, where the actor says so with the event (`cause=`): a name, for those who count."""


def unobserved(_transition: Transition) -> None:
    """Nobody wants to know."""


class TransitionListener:
    """The one listener of every machine: tells the observer, who knows whose machine it is. Never sends events."""

    def __init__(self, machine: str, observe: Callable[[Transition], None]) -> None:
        self._machine = machine
        self._observe = observe

    def after_transition(self, event: str, source: State, target: State, cause: str = "") -> None:
        """Tell of one transition; the library calls this hook by its name, and with what the event was given."""
        self._observe(Transition(self._machine, str(event), str(source.value), str(target.value), cause))


class StrictMachine(StateChart[Any]):
    """Base of all machines: an event without a transition raises, an exception in a guard propagates."""

    allow_event_without_transition = False
    catch_errors_as_events = False
    atomic_configuration_update = True

    def __init__(self, observe: Callable[[Transition], None] = unobserved, start_value: str | None = None) -> None:
        """Start in the initial state, or in `start_value` (tests)."""
        super().__init__(start_value=start_value, listeners=[TransitionListener(type(self).__name__, observe)])
