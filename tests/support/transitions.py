"""What the actor tests have seen of the machines: tests/test_transitions.py asks at the end of the run."""

from clankvox.fsm import MACHINES
from clankvox.fsm.base import Transition

TAKEN: set[Transition] = set()
"""Every transition that an actor took in this run. Machines that a test pokes itself do not count."""


def record(taken: Transition) -> None:
    TAKEN.add(taken._replace(cause=""))


def declared() -> set[Transition]:
    """Every transition of every machine, as the observer would see it."""
    found = set()
    for machine in MACHINES:
        for state in machine.states:
            for transition in state.transitions:
                for target in transition.targets if hasattr(transition, "targets") else [transition.target]:
                    for event in transition.events:
                        found.add(Transition(machine.__name__, str(event), str(state.value), str(target.value)))
    return found
