"""The composition root: one App on two real pipes, in this process, and what it puts together."""

import gc
import json
import os
import signal
import sys
import threading

import pykka
import pytest

from clankvox.actors import announcer
from clankvox.app import App, unborn
from clankvox.config import Config
from clankvox.errors import ExitCode
from clankvox.ids import UserId, capture_address
from clankvox.shells.pacer import Pacer
from tests.support.process_call import DEADLINE_S, answer_of, bodies, frames_of, line, probe

PCM = bytes(range(200)) * 2


@pytest.fixture(autouse=True)
def _what_is_set_for_a_whole_process_is_set_back():
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    yield
    sys.setswitchinterval(interval)
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def served(data, *, keep_open=False, when_running=None):
    """Run an App on `data` as its input; return its exit code and its frames."""
    stdin, parents_end = os.pipe()
    output, stdout = os.pipe()
    os.write(parents_end, data)
    if not keep_open:
        os.close(parents_end)
    said = []
    reader = threading.Thread(target=lambda: said.extend(iter(lambda: os.read(output, 1 << 16), b"")))
    reader.start()
    running = App(stdin, stdout, Config())
    if when_running is not None:  # both signals are taken over before the first line is read
        running._reader.start = when_running
    try:
        code = running.run()
    finally:
        end_threads(parents_end if keep_open else None)
        os.close(stdout)
        reader.join()
        os.close(stdin)
        os.close(output)
    return code, frames_of(b"".join(said))


def end_threads(parents_end):
    """What is a daemon and dies with the process would outlive a test."""
    pykka.ActorRegistry.stop_all(timeout=DEADLINE_S)
    if parents_end is not None:
        os.close(parents_end)
    for thread in threading.enumerate():
        if thread.name in ("stdin", "stdout"):
            thread.join(DEADLINE_S)


def test_commands_of_stdin_are_answered_on_stdout_until_the_input_ends():
    code, entries = served(line(**probe("p")) + b"\n" + line(type="nonsense") + b"\n")
    assert code == 0
    events = bodies(entries)
    assert answer_of("p") in events
    assert [event["code"] for event in events if event["type"] == "error"] == ["invalid_json"]


def test_destroy_ends_it_while_the_input_is_open():
    assert served(line(type="destroy") + b"\n", keep_open=True) == (0, [])


def test_a_signal_ends_it_and_both_signals_are_given_back():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    assert served(b"", keep_open=True, when_running=lambda: os.kill(os.getpid(), signal.SIGTERM)) == (0, [])
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_a_broken_stdout_ends_it_with_a_code_of_its_own():
    stdin, parents_end = os.pipe()
    output, stdout = os.pipe()
    os.close(output)
    os.write(parents_end, line(**probe("p")) + b"\n")
    try:
        assert App(stdin, stdout, Config()).run() == ExitCode.STDOUT
    finally:
        end_threads(parents_end)
        os.close(stdin)
        os.close(stdout)


def test_a_router_that_fails_ends_the_process_with_the_code_of_an_internal_fault(monkeypatch):
    """It supervises the others and nobody replaces it: without it the process would neither answer nor end."""

    def fail(_event):
        raise KeyError("broken")

    monkeypatch.setattr(announcer, "encode_event", fail)
    assert served(line(**probe("p")) + b"\n", keep_open=True) == (ExitCode.INTERNAL, [])


def test_a_router_that_cannot_even_begin_ends_the_process_too(monkeypatch):
    """As where the system has no thread left for the pacer: nothing but SIGKILL would end it."""

    def fail(_pacer):
        raise RuntimeError

    monkeypatch.setattr(Pacer, "start", fail)
    assert served(b"", keep_open=True) == (ExitCode.INTERNAL, [])


def test_no_inbox_is_kept_of_an_actor_that_has_retired():
    """Who is heard has an actor until he leaves; a process lives for weeks and hears thousands."""
    stdin, stdout = os.pipe()
    try:
        app = App(stdin, stdout, Config())
        first, second = (capture_address(UserId(user)) for user in ("7", "8"))
        app._spawn(first, unborn, life=0).stop()
        app._spawn(second, unborn, life=0)
        assert list(app._mailboxes) == [second]
    finally:
        end_threads(None)
        os.close(stdin)
        os.close(stdout)


def test_the_counters_of_the_contract_are_all_plain_numbers():
    stdin, stdout = os.pipe()
    try:
        collected = App(stdin, stdout, Config())._telemetry.collect()
    finally:
        os.close(stdin)
        os.close(stdout)
    told = json.loads(announcer.encode_event(collected))
    groups = {"tick", "ipcLanes", "inboundAudio", "inboundVideo", "outbound"}
    assert groups <= told.keys()
    for group in groups:
        assert all(type(value) in (int, float) for value in told[group].values())
