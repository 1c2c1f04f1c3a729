"""For every test: nothing that it brought to life may outlive it."""

import os
import signal
import threading
from pathlib import Path

import psutil
import pykka
import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("calm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("calm")
"""A busy machine makes no property false: how long an example took is not looked at."""

if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # under nohup, and children would inherit it
    signal.signal(signal.SIGHUP, lambda *_: None)  # we outlive the terminal as before, and they begin as usual

HERE = Path(__file__).parent
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
GRACE_S = 5.0
"""How long what was told to end may take; a leak is what is still there then."""
MACHINES = ("actors", "stateful", "test_transitions.py")
"""What runs in one worker and in this order: the last one asks which transitions the others took."""
LONG = ("soak", "peers", "process", "demo", "examples", "quality")
"""What takes longest begins first, so that no worker is left alone with it at the end."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Long files first, and the question for the transitions behind what takes them."""
    items.sort(key=_turn)


def _turn(item):
    folder = item.path.relative_to(HERE).parts[0]
    if folder in MACHINES:
        return 1, MACHINES.index(folder)
    return (0, LONG.index(folder)) if folder in LONG else (2, 0)


def _scope(nodeid):
    """What goes to one worker: a file, whose tests share processes; and all that takes and judges transitions.

    By night each suite takes hours, and goes where there is room.
    """
    file = nodeid.split("::", 1)[0]
    if NIGHTLY:
        return nodeid
    return "machines" if file.split("/")[1] in MACHINES else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """What `make test` runs side by side; without xdist nobody asks."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - there may be none

    scheduling = LoadScopeScheduling(config, log)
    scheduling._split_scope = _scope
    return scheduling


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
