"""Real signals: to this process where it survives them, to a child where the default action would matter."""

import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading

import pytest

from clankvox.shells.signals import StopSignals, stacks

DEADLINE_S = 10.0

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends a Windows process")


STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.mark.parametrize("number", STOPS)
def test_the_first_signal_asks_once_and_further_ones_are_swallowed(number):
    asked = queue.SimpleQueue()
    handlers = [signal.getsignal(each) for each in STOPS]
    signals = StopSignals(asked.put)
    signals.start()
    try:
        os.kill(os.getpid(), number)
        assert asked.get(timeout=DEADLINE_S) is number
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signals.stop()
    assert asked.empty()
    assert [signal.getsignal(each) for each in STOPS] == handlers
    assert signal.set_wakeup_fd(-1) == -1
    assert not [thread for thread in threading.enumerate() if thread.name == "signals"]


def test_a_hangup_that_was_ignored_stays_ignored():
    """A parent under nohup outlives its terminal, and so does what it started."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    asked = queue.SimpleQueue()
    signals = StopSignals(asked.put)
    signals.start()
    try:
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked.get(timeout=DEADLINE_S) is signal.SIGTERM
    finally:
        signals.stop()
        signal.signal(signal.SIGHUP, before)


def test_the_callback_may_need_a_lock_that_the_main_thread_holds():
    lock = threading.Lock()
    reached, done = threading.Event(), threading.Event()

    def on_stop(_number):
        reached.set()
        with lock:
            done.set()

    signals = StopSignals(on_stop)
    signals.start()
    try:
        with lock:
            os.kill(os.getpid(), signal.SIGTERM)
            assert reached.wait(DEADLINE_S)
        assert done.wait(DEADLINE_S)
    finally:
        signals.stop()


def test_a_callback_that_raises_is_logged_and_contained(caplog):
    called = threading.Event()

    def on_stop(_number):
        called.set()
        raise RuntimeError("bug")

    signals = StopSignals(on_stop)
    signals.start()
    os.kill(os.getpid(), signal.SIGTERM)
    assert called.wait(DEADLINE_S)
    signals.stop()
    assert [record.message for record in caplog.records] == ["stop request failed"]


def waits_here(event):
    event.wait()


def test_the_stacks_of_all_threads_are_shown_by_their_names():
    event = threading.Event()
    waiting = threading.Thread(target=waits_here, args=[event], name="one that waits")
    waiting.start()
    shown = stacks()
    event.set()
    waiting.join()
    (stack,) = (each for each in shown.split("\n\n") if each.startswith("Thread one that waits (most recent"))
    assert "in waits_here\n" in stack
    assert "Current thread MainThread (most recent call first):" in shown


def test_without_a_temporary_file_it_says_so_and_what_was_counted_is_shown_all_the_same(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    assert stacks() == "no stacks without a temporary file: No such file or directory\n"


BUSY = """
import faulthandler
import signal
import threading
from clankvox.shells.signals import StopSignals, stacks

def deep(left):
    return deep(left - 1) if left else sum(range(20))

def busy():
    while True:
        deep(30)

for _ in range(3):
    threading.Thread(target=busy, daemon=True).start()
signals = StopSignals(print, lambda: print(len(stacks()), flush=True))
signals.start()
print("ready", flush=True)
print(input(), flush=True)
assert not faulthandler.unregister(signal.SIGUSR1)
signals.stop()
"""


def test_who_looks_at_a_busy_process_does_not_end_it():
    """A look by faulthandler's own signal handler did, mostly within a hundred signals: there shall be none."""
    with subprocess.Popen(
        [sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        for _ in range(50):
            process.send_signal(signal.SIGUSR1)
            assert int(process.stdout.readline()) > 0
        out, err = process.communicate("still here\n", timeout=DEADLINE_S)
    assert (out, err, process.returncode) == ("still here\n", "", 0)


def test_sigusr1_asks_for_an_inspection_each_time_and_a_failing_one_harms_nobody():
    code = (
        "import threading\n"
        "from clankvox.shells.signals import StopSignals\n"
        "asked = threading.Semaphore(0)\n"
        "def inspect():\n"
        "    asked.release()\n"
        "    raise RuntimeError\n"
        "signals = StopSignals(print, inspect)\n"
        "signals.start()\n"
        "print('ready', flush=True)\n"
        "for _ in range(2):\n"
        "    asked.acquire()\n"
        "    print('inspected', flush=True)\n"
        "print(input(), flush=True)\n"
        "signals.stop()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n"
        for _ in range(2):
            process.send_signal(signal.SIGUSR1)
            assert process.stdout.readline() == "inspected\n"
        out, err = process.communicate("still here\n", timeout=DEADLINE_S)
    assert (out, process.returncode) == ("still here\n", 0)
    assert err.count("inspection failed") == 2
