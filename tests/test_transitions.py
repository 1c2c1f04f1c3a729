"""At the end of a full run: actors took every declared transition of every machine."""

import pytest

from tests.support.transitions import TAKEN, declared


def test_every_declared_transition_was_taken_by_an_actor(request):
    folders = {item.path.parent.name for item in request.session.items}
    if not {"actors", "stateful"} <= folders or request.session.testsfailed:
        pytest.skip("only the whole run of tests/actors and tests/stateful takes them all")
    missing = sorted(declared() - TAKEN)
    assert not missing, "never taken:\n" + "\n".join(" ".join(taken) for taken in missing)
    assert declared() >= TAKEN
