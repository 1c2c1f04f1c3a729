"""The end of the process in the midst of everything: speech, music, both streams, and a page's resolver that hangs."""

import os
import signal

import psutil
import pytest

from clankvox.errors import ExitCode
from tests.support.fake_yt_dlp import install
from tests.support.full_call import FullCall, serve_media
from tests.support.media_server import MediaServer
from tests.support.odd_parents import behind_a_parent
from tests.support.process_call import COMMAND, TRAILING_SILENCE, chirp, eventually, interrupt, wait_gone
from tools.bench.odd_parents import DeafParent

HANGS = "import subprocess\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\ntime.sleep(600)"
"""A yt-dlp that has started something itself."""
ENDINGS = {
    "destroy": (lambda vox: vox.send({"type": "destroy"}), ExitCode.DONE),
    "end_of_input": (lambda vox: vox.close_stdin(), ExitCode.DONE),
    "sigterm": (lambda vox: interrupt(vox, signal.SIGTERM), ExitCode.DONE),
    "broken_stdout": (lambda vox: vox.deaf.set(), ExitCode.STDOUT),
    "parent_killed": (lambda vox: interrupt(vox, signal.SIGKILL), None),
}

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="pidfd")


@pytest.fixture(scope="module")
def media():
    with MediaServer() as server:
        serve_media(server)
        yield server


@pytest.fixture
def full(discord, trust, media, tmp_path, monkeypatch, ending):
    install(tmp_path, monkeypatch, HANGS)
    command = behind_a_parent(COMMAND) if ending == "parent_killed" else COMMAND
    with DeafParent(env=trust, command=command, args=["--allow-private-hosts"]) as vox:
        full = FullCall(vox, discord, media)
        full.enter()
        yield full
        full.leave()


def family(vox, ending):
    """Process ids of clankvox, of the resolver and of what that has started."""
    process = psutil.Process(vox.pid)
    if ending == "parent_killed":
        (process,) = process.children()
    children = eventually(lambda: both(process.children(recursive=True)), "the resolver and its child")
    return [process.pid, *(child.pid for child in children)]


def both(children):
    return children if len(children) == 2 else None


@pytest.mark.parametrize("ending", ENDINGS)
def test_all_that_was_begun_is_ended_in_order_and_nothing_is_left(full, ending):
    call, vox = full.call, full.vox
    vox.send({"type": "music_play", "musicId": "page", "url": "https://example.com/watch"})
    call.say(chirp(5.0), "p1", 48_000)
    call.wait_said("p1", "started")
    ours = family(vox, ending)
    full.goes_on("sent")
    happened, since = len(full.discord.happenings), vox.mark()
    end, code = ENDINGS[ending]
    end(vox)
    for pid in ours:
        wait_gone(pid)
    if code is not None:
        assert vox.wait_exit() == code
    left = eventually(lambda: gone(full, happened), "the end of all three connections")
    assert [each["reason"] for each in left.values()] == ["left"] * 3, "each was closed with 1000"
    assert left[call.guild]["counters"]["silenceFrames"] == TRAILING_SILENCE
    assert not [name for each in left.values() for name in leaks(each["counters"])]
    if code is ExitCode.DONE:
        told = [line for line in full.told_of("voice", since) if line != "speaking_end"]
        assert told == ENDED
        assert full.told_of("stream_watch", since) == full.told_of("stream_publish", since) == ["dave_state cleared"]


ENDED = [
    "tts_playback_state p1 stopped destroy",
    "music_idle m1",
    "player_state page idle",
    "music_idle page",
    "dave_state cleared",
    "user_audio_end",
]


def gone(full, happened):
    """What the servers said of our three connections, by server, once all are gone."""
    ours = (each for each in full.discord.happenings[happened:] if each.get("userId") == full.call.me)
    left = {each["serverId"]: each for each in ours if each["type"] == "left"}
    return left if len(left) == 3 else None


def leaks(counters):
    """Names of the counters of what left in clear that are not zero."""
    streams = [counters, *counters["video"].values()]
    return [name for each in streams for name, count in each.items() if name.startswith("plaintext") and count]
