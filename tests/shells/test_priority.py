"""The kernel's own view is the witness; whether it permits anything is the machine's business."""

import os
import subprocess
import sys
import threading

import pytest

from clankvox.shells import priority

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="priorities of threads are Linux")


def in_thread(work):
    results = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join(10.0)
    return results[0]


def standing():
    return os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK, os.getpriority(
        os.PRIO_PROCESS, threading.get_native_id()
    )


@linux
def test_the_calling_thread_goes_first_where_that_is_permitted_and_no_other():
    before = standing()

    def work():
        gone = priority.go_first()
        return gone, standing(), in_thread(standing)

    gone, own, heir = in_thread(work)
    assert (own != before) is gone
    assert heir[0] == before[0]
    assert standing() == before


@linux
def test_where_real_time_is_refused_a_nice_value_is_asked_for_and_a_second_refusal_changes_nothing(monkeypatch):
    def refuse(*_arguments):
        raise PermissionError

    asked = []
    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    monkeypatch.setattr(os, "setpriority", lambda *arguments: asked.append(arguments))
    assert priority.go_first()
    assert [arguments[2] for arguments in asked] == [-10]
    monkeypatch.setattr(os, "setpriority", refuse)
    assert not priority.go_first()


def test_elsewhere_nothing_is_asked_for(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not priority.go_first()


@linux
def test_a_process_without_rights_goes_on_as_it_was():
    code = (
        "import os, resource\n"
        "from clankvox.shells.priority import go_first\n"
        "resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))\n"
        "resource.setrlimit(resource.RLIMIT_NICE, (0, 0))\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "print(go_first(), os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split() == ["False", "0", "0"]
