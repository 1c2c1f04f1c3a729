"""The offline Discord that all tests of the real process share, and a process in a call for each of them."""

from pathlib import Path

import pytest

from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from tests.support.contract import held_to_the_schema
from tests.support.process_call import Call, check_nothing_leaked

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """All that is in this folder starts the real process."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("process")


@pytest.fixture(scope="module", autouse=True)
def contract():
    """Whatever these tests and their processes say is in the generated schema; other folders make things up."""
    with held_to_the_schema():
        yield


@pytest.fixture(scope="session")
def discord():
    with OfflineDiscord() as offline:
        yield offline


@pytest.fixture(scope="session")
def trust(discord):
    """What the environment of a process needs in order to trust the offline Discord."""
    return {"SSL_CERT_FILE": str(discord.ca_file)}


def _parent(trust):
    """A process that logs all it can; whatever tests do with it, no secret is shown, and it ends in peace."""
    with VoxParent(env=trust, args=("--log-level", "debug")) as parent:
        yield parent
    check_nothing_leaked(parent)
    assert parent.fault is None
    assert parent.exit_code == 0


@pytest.fixture
def vox(trust):
    """A process for one test."""
    yield from _parent(trust)


@pytest.fixture(scope="module")
def shared_vox(trust):
    """A process that is in one call after the other."""
    yield from _parent(trust)


def _entered(call):
    """Enter, and prove at the end that nothing of ours left in clear."""
    call.enter()
    yield call
    assert call.leaked_frames() == 0


@pytest.fixture
def call(shared_vox, discord):
    """A V parent in an encrypted call."""
    entered = Call(shared_vox, discord)
    yield from _entered(entered)
    entered.hang_up()


@pytest.fixture
def plain_call(shared_vox, discord):
    """An M or L parent, which gives no ids, in an encrypted call."""
    entered = Call(shared_vox, discord, connection_id=None)
    yield from _entered(entered)
    entered.hang_up()


@pytest.fixture
def last_call(vox, discord):
    """A V parent in an encrypted call, whose process the test may end."""
    yield from _entered(Call(vox, discord))
