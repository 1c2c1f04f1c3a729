import os
import signal
import subprocess
import sys

from clankvox.shells.page_child import PAGE_URL
from tests.support import fake_yt_dlp

STUBBORN = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('running', flush=True)
while True:
    signal.pause()
"""


def test_it_runs_yt_dlp_with_the_arguments_as_they_are(tmp_path, monkeypatch):
    fake_yt_dlp.install(tmp_path, monkeypatch, "print(arguments, 'CLANKVOX_PAGE_URL' in os.environ)")
    monkeypatch.setenv(PAGE_URL, "-o x; y")
    command = [sys.executable, "-m", "clankvox.shells.page_child", str(os.getpid()), "-q"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "['-q', '--', '-o x; y'] False"


def test_it_ends_with_a_parent_that_is_killed_whatever_yt_dlp_does_about_signals(tmp_path, monkeypatch):
    fake_yt_dlp.install(tmp_path, monkeypatch, STUBBORN)
    monkeypatch.setenv(PAGE_URL, "http://page.example/")
    parent = (
        "import os, subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-m', 'clankvox.shells.page_child', str(os.getpid())])\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline().strip() == "running"
        os.kill(process.pid, signal.SIGKILL)
        assert process.stdout.read() == ""  # the pipe ends when the child, its last writer, does


def test_it_does_not_begin_without_its_parent(tmp_path, monkeypatch):
    fake_yt_dlp.install(tmp_path, monkeypatch, "print('running')")
    command = [sys.executable, "-m", "clankvox.shells.page_child", "1234567"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (1, "")
