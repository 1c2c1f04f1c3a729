"""For every test: nothing that it brought to life may outlive it."""

import threading

import psutil
import pykka
import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("calm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("calm")
"""A busy machine makes no property false: how long an example took is not looked at."""

GRACE_S = 5.0
"""How long what was told to end may take; a leak is what is still there then."""
LAST = "test_transitions.py"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Ask for the transitions that were taken once all others have run."""
    items.sort(key=lambda item: item.path.name == LAST)


@pytest.fixture(autouse=True)
def nothing_outlives_its_test():
    """Teardown fails on an actor, a thread or a child process that was not there before."""
    threads, children = set(threading.enumerate()), set(psutil.Process().children())
    yield
    actors = pykka.ActorRegistry.get_all()
    pykka.ActorRegistry.stop_all(block=True, timeout=GRACE_S)
    assert not actors, f"actors outlive the test: {actors}"
    for thread in set(threading.enumerate()) - threads:
        thread.join(GRACE_S)
        assert not thread.is_alive(), f"a thread outlives the test: {thread.name}"
    left = [child for child in psutil.Process().children() if child not in children]
    _, alive = psutil.wait_procs(left, timeout=GRACE_S)
    assert not alive, f"children outlive the test: {alive}"
