"""What every test with third parties needs: an offline Discord, and the third parties themselves."""

import shutil
from pathlib import Path

import pytest

from clankvox.loopback.discord import LoopbackDiscord

SERVER, CHANNEL = 5, 6
INSTALLED = Path(__file__).parent / "node_modules" / "@discordjs" / "voice"


@pytest.fixture(autouse=True)
def peers_are_installed(request):
    """Say what is missing: third parties that are not there prove nothing."""
    if request.node.get_closest_marker("peers") and not (shutil.which("node") and INSTALLED.exists()):
        pytest.fail("needs Node and `make peers`", pytrace=False)


@pytest.fixture
def discord():
    """These clients speak gateway version 8, which does not tell the channel."""
    with LoopbackDiscord(channels={SERVER: CHANNEL}) as offline:
        yield offline
