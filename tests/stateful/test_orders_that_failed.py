"""Orders that failed keep the promises ever since; what a suite finds is written beside them (tests/support)."""

import pytest

from tests.stateful import test_examples, test_music_orders, test_speech_over_music, test_told_before_heard
from tests.support import former_bugs
from tests.support.kept_orders import KEPT, Unknown, read, replay

ORDERS = {path.stem: read(path.read_text()) for path in sorted(KEPT.glob("*.txt"))}
GIVEN = (test_music_orders, test_speech_over_music, test_told_before_heard)
SUITES = {suite.__name__: suite for suite in test_examples.SUITES} | {
    name: test for module in GIVEN for name, test in vars(module).items() if hasattr(test, "hypothesis")
}
BUGS = {name: bug for name, bug in vars(former_bugs).items() if name in ORDERS}


@pytest.mark.parametrize("name", ORDERS)
def test_an_order_that_failed_keeps_the_promises(name):
    assert replay(ORDERS[name], SUITES) > 0, "no step of it is possible any more"


@pytest.mark.parametrize("name", BUGS)
def test_an_order_that_failed_fails_again_with_the_bug_that_it_found(monkeypatch, name):
    BUGS[name](monkeypatch)
    with pytest.raises(AssertionError) as broken:
        replay(ORDERS[name], SUITES)
    assert broken.type.__name__ == ORDERS[name].broke


def test_every_former_bug_has_its_order():
    own = {name for name, bug in vars(former_bugs).items() if getattr(bug, "__module__", "") == former_bugs.__name__}
    assert own == BUGS.keys()


def test_a_step_that_is_no_rule_any_more_is_told():
    order = read("about\nsuite: Tts\nbroke: NotSaid\n\nbegin(seed=0, version=0)\nsing(loud=True)\n")
    with pytest.raises(Unknown, match=r"Tts.sing\(loud\)"):
        replay(order, SUITES)
