"""Real signals: to this process where it survives them, to a child where the default action would matter."""

import io
import os
import queue
import signal
import subprocess
import sys
import threading

import pytest

from clankvox.shells.signals import StopSignals, dump_stacks_on_sigusr1

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


def test_sigusr1_shows_the_stacks_of_all_threads_and_the_process_goes_on():
    code = (
        "import threading\n"
        "from clankvox.shells.signals import dump_stacks_on_sigusr1\n"
        "def worker_function(): threading.Event().wait()\n"
        "threading.Thread(target=worker_function, daemon=True).start()\n"
        "assert dump_stacks_on_sigusr1()\n"
        "print('ready', flush=True)\n"
        "print(input(), flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGUSR1)
        lines = []
        while not (lines and "<module>" in lines[-1]):
            lines.append(process.stderr.readline())
        assert any("worker_function" in line for line in lines)
        out, _ = process.communicate("still here\n", timeout=DEADLINE_S)
    assert out == "still here\n"
    assert process.returncode == 0


def test_without_a_real_file_for_the_dump_there_is_none():
    assert not dump_stacks_on_sigusr1(io.StringIO())


def test_sigusr1_asks_for_an_inspection_too_each_time_and_a_failing_one_harms_nobody():
    # Said by the main thread, which has left the C handler then: one signal in the midst of another is one dump.
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
    assert err.count("Current thread") == 2
