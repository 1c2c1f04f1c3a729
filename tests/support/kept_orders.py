"""Orders that failed, kept as text: one file each, with the steps as hypothesis printed them.

Hypothesis' own database keeps choices, under a digest of the suite's source: both mean nothing as soon as a rule is
added or a line of the suite is written anew. Names of rules and their values last until somebody renames them, and then
the replay says so. What fails is written to tests/stateful/orders_that_failed and replayed from then on
(tests/stateful/test_orders_that_failed.py).
"""

import ast
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis.stateful import RuleBasedStateMachine

from clankvox.ids import Role

KEPT = Path(os.environ.get("KEPT_ORDERS", Path(__file__).parent.parent / "stateful" / "orders_that_failed"))
NAMES = {"Role": Role}
"""What may stand in a value beside literals."""
_MEMBER = re.compile(r"<(\w+\.\w+): [^>]*>")
"""How hypothesis prints a member of an enumeration."""
Suite = type[RuleBasedStateMachine] | Callable[..., None]
"""A machine, or a test with @given."""


class Step(NamedTuple):
    """A rule and what was drawn for it."""

    rule: str
    values: dict[str, Any]


class Order(NamedTuple):
    """What was drawn when a promise broke."""

    suite: str
    broke: str
    about: str
    steps: tuple[Step, ...]


class Unknown(LookupError):
    """A kept order names what is no rule any more: rename it there too."""


# --- text ---


def read(text: str) -> Order:
    """Return the order that `text` is: what it is about, `suite:` and `broke:`, an empty line, a call in each line.

    Raises ValueError where it is none.
    """
    head, _, steps = text.partition("\n\n")
    *about, suite, broke = head.splitlines()
    if not (suite.startswith("suite: ") and broke.startswith("broke: ")):
        raise ValueError(f"no head of an order: {head!r}")
    calls = [statement.value for statement in ast.parse(steps).body]
    return Order(suite[7:], broke[7:], " ".join(about), tuple(_step(call) for call in calls))


def _step(call: ast.expr) -> Step:
    match call:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[], keywords=keywords):
            return Step(name, {str(keyword.arg): _value(keyword.value) for keyword in keywords})
    raise ValueError(f"no step: {ast.unparse(call)}")


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Attribute(value=ast.Name(id=kind), attr=name):
            return NAMES[kind][name]
        case ast.List(elts=each):
            return [_value(one) for one in each]
        case ast.Tuple(elts=each):
            return tuple(_value(one) for one in each)
    return ast.literal_eval(node)


def steps_in(notes: list[str], unsaid: frozenset[str] = frozenset()) -> str:
    """Return the calls among what hypothesis tells of a failure, without those that every replay makes by itself."""
    calls: list[str] = []
    for note in notes:
        said = _MEMBER.sub(r"\1", note)
        try:
            statements = ast.parse(said).body
        except SyntaxError:  # "You can reproduce this ...", and the like
            statements = _of_a_test(said)
            calls += [said] if said.startswith("state.") else []
        calls += [ast.unparse(each.value) for each in statements if isinstance(each, ast.Expr)]
    calls = [call.removeprefix("state.") for call in calls if call.startswith(("state.", "test_"))]
    return "\n".join(call for call in calls if call.removesuffix("()") not in unsaid)


def _of_a_test(note: str) -> list[ast.stmt]:
    """`Failing test case: test_x(...)`; values that cannot be written as literals make it no order."""
    title, _, call = note.partition("test case: ")
    try:
        return ast.parse(call).body if title else []
    except SyntaxError:
        return []


# --- keeping ---


@contextmanager
def kept(suite: Suite) -> Iterator[None]:
    """Write down every order that fails meanwhile, and tell in the failure where it is."""
    try:
        yield
    except BaseException as error:
        for each in _each(error):
            _keep(suite, each)
        raise


def keeping(test: Callable[..., None]) -> Callable[..., None]:
    """Decorate a test with @given, so that what fails it is kept."""

    @wraps(test)
    def keeps(*args: Any, **kwargs: Any) -> None:
        with kept(test):
            test(*args, **kwargs)

    return keeps


def _each(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _each(inner)
    else:
        yield error


def _keep(suite: Suite, error: BaseException) -> None:
    steps = steps_in(getattr(error, "__notes__", []), _unsaid(suite))
    if not steps:
        return
    first = (str(error).splitlines() or [""])[0]
    text = f"{first}\nsuite: {suite.__name__}\nbroke: {type(error).__name__}\n\n{steps}\n"
    name = f"{suite.__name__}-{type(error).__name__}-{hashlib.sha256(steps.encode()).hexdigest()[:8]}.txt"
    KEPT.mkdir(exist_ok=True)
    (KEPT / name).write_text(text)
    error.add_note(f"\nKept as {KEPT.parent.name}/{KEPT.name}/{name}; commit it with what mends it:\n\n{text}")


def _unsaid(suite: Suite) -> frozenset[str]:
    if not isinstance(suite, type):
        return frozenset()
    return frozenset({"teardown", *(each.function.__name__ for each in suite.setup_state().invariants)})


# --- replaying ---


def replay(order: Order, suites: Mapping[str, Suite]) -> int:
    """Take the steps of `order` as hypothesis would; returns how many were possible.

    A step whose precondition does not hold is passed over: that is what the code of today makes of it. Raises what the
    suite raises, and Unknown for a suite, a rule or a value that there is none of.
    """
    suite = suites.get(order.suite)
    if suite is None:
        raise Unknown(order.suite)
    if not isinstance(suite, type):
        for step in order.steps:
            suite.hypothesis.inner_test(**step.values)
        return len(order.steps)
    machine = suite()
    try:
        return sum(_take(machine, step) for step in order.steps)
    finally:
        machine.teardown()


def _take(machine: RuleBasedStateMachine, step: Step) -> bool:
    state = machine.setup_state()
    rules = {each.function.__name__: each for each in (*state.rules, *state.initializers)}
    if step.rule not in rules or rules[step.rule].arguments.keys() != step.values.keys():
        raise Unknown(f"{type(machine).__name__}.{step.rule}({', '.join(step.values)})")
    rule = rules[step.rule]
    if not all(holds(machine) for holds in rule.preconditions):
        return False
    rule.function(machine, **step.values)
    for each in state.invariants:
        each.function(machine)
    return True
