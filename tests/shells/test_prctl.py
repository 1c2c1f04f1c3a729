"""The kernel's own view (/proc) is the witness."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from clankvox.shells import prctl

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is Linux")


def in_thread(work):
    results = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join(10.0)
    return results[0]


@linux
def test_a_name_is_the_calling_threads_and_is_cut_to_fifteen_bytes():
    def work():
        assert prctl.set_process_name("clankvox-with-a-long-name")
        return Path(f"/proc/self/task/{threading.get_native_id()}/comm").read_text().strip()

    assert in_thread(work) == "clankvox-with-a"


@linux
def test_timer_slack_is_the_calling_threads():
    # /proc/PID/timerslack_ns shows a main thread only, so a child looks at its own.
    code = (
        "from clankvox.shells.prctl import set_timer_slack\n"
        "assert set_timer_slack(1)\n"
        "print(open('/proc/self/timerslack_ns').read().strip())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "1"


@linux
def test_a_child_gets_the_signal_when_its_parent_dies():
    grandchild = (
        "import signal, sys\n"
        "from clankvox.shells.prctl import set_parent_death_signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"
        "assert set_parent_death_signal(signal.SIGTERM)\n"
        "print('armed', flush=True)\n"
        "got = signal.sigtimedwait([signal.SIGTERM], 20)\n"
        "print('none' if got is None else got.si_signo, flush=True)\n"
    )
    # The grandchild inherits the test's pipe, so that its last word outlives the parent.
    parent = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {grandchild!r}])\nsys.stdin.read()\n"
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline().strip() == "armed"
        os.kill(process.pid, signal.SIGKILL)
        assert process.stdout.readline().strip() == str(int(signal.SIGTERM))


def test_elsewhere_the_calls_do_nothing(monkeypatch):
    monkeypatch.setattr(prctl, "_prctl", None)
    assert not prctl.set_process_name("clankvox")
    assert not prctl.set_timer_slack()
    assert not prctl.set_parent_death_signal()


def test_another_system_is_recognised(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert prctl._load() is None
