"""Every state and every event of a machine against a table: what is not in it must be refused."""

from statemachine.exceptions import TransitionNotAllowed

from clankvox.fsm.base import StrictMachine, Transition


def assert_exactly(machine: type[StrictMachine], table: str) -> None:
    """`table` has one line an event: `event: source>target source>target ...`."""
    expected: dict[tuple[str, str], str] = {}
    events = []
    for line in table.strip().splitlines():
        event, _, pairs = line.strip().partition(":")
        events.append(event)
        for pair in pairs.split():
            source, _, target = pair.partition(">")
            expected[event, source] = target
    assert sorted(events) == sorted(str(event.id) for event in machine.events)
    states = [str(state.value) for state in machine.states]
    for event in events:
        for state in states:
            assert _outcome(machine, event, state) == expected.get((event, state)), f"{event} in {state}"


def _outcome(machine: type[StrictMachine], event: str, state: str) -> str | None:
    """Where `event` leads from `state`; None if it is refused and nothing has changed."""
    seen: list[Transition] = []
    instance = machine(seen.append, start_value=state)
    try:
        getattr(instance, event)()
    except TransitionNotAllowed:
        assert (str(instance.current_state_value), seen) == (state, [])
        return None
    assert seen == [Transition(machine.__name__, event, state, str(instance.current_state_value))]
    return str(instance.current_state_value)
