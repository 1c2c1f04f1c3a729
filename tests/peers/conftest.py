"""What every test with third parties needs: an offline Discord, and the third parties themselves."""

import shutil
from pathlib import Path

import pytest

from clankvox.loopback.discord import LoopbackDiscord

SERVER, CHANNEL = 5, 6
INSTALLED = Path(__file__).parent / "node_modules" / "@discordjs" / "voice"


def pytest_collection_modifyitems(items):
    """Say what is missing instead of failing where nobody has run `make peers`."""
    if shutil.which("node") is not None and INSTALLED.exists():
        return
    for item in items:
        if item.get_closest_marker("peers"):
            item.add_marker(pytest.mark.skip(reason="needs Node and `make peers`"))


@pytest.fixture
def discord():
    """These clients speak gateway version 8, which does not tell the channel."""
    with LoopbackDiscord(channels={SERVER: CHANNEL}) as offline:
        yield offline
