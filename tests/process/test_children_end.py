"""Children of ours (a page resolver that hangs) end with the process, whatever ends it."""

import os
import signal

import psutil
import pytest

from clankvox.clock import SystemClock
from clankvox.demo.parent import VoxParent
from tests.support.fake_yt_dlp import install
from tests.support.process_call import DEADLINE_S, interrupt, wait_gone

HANGS = "time.sleep(600)"
ENDINGS = {
    "destroy": lambda vox: vox.send({"type": "destroy"}),
    "end_of_input": lambda vox: vox.close_stdin(),
    "sigterm": lambda vox: interrupt(vox, signal.SIGTERM),
}

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="pidfd")


def child_of(vox):
    """The resolver's process, once it runs."""
    process, clock = psutil.Process(vox.pid), SystemClock()
    deadline = clock.now() + DEADLINE_S
    while clock.now() < deadline:
        for child in process.children():
            if "clankvox.shells.page_child" in child.cmdline():
                return child.pid
    raise AssertionError("no resolver")


@pytest.fixture
def vox(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, HANGS)
    with VoxParent() as parent:
        parent.send({"type": "music_play", "musicId": "m1", "url": "https://example.com/watch"})
        parent.wait_for("player_state", status="loading")
        yield parent


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_resolver_is_gone_with_the_process(vox, ending):
    resolver = child_of(vox)
    ENDINGS[ending](vox)
    assert vox.wait_exit() == 0
    assert len(vox.events_of("music_idle", musicId="m1")) == 1
    wait_gone(resolver)


def test_a_resolver_is_gone_with_a_process_that_is_killed(vox):
    resolver = child_of(vox)
    interrupt(vox, signal.SIGKILL)
    wait_gone(resolver)
    vox.wait_exit()
