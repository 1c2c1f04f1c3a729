"""The first frame, and that nothing but frames ever reaches the parent."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clankvox import __version__
from clankvox.demo.parent import VoxParent
from tests.support.process_call import COMMAND, answer_of, frames_of, line, probe, run

READY = {"type": "process_ready", "protocolVersion": 1, "version": __version__}
HEAVY = ("pykka", "statemachine", "msgspec", "orjson", "numpy", "av", "davey", "nacl", "opuslib", "websockets", "ssl")

FORBID = f"""
import sys
class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise ImportError("forbidden: " + name)
sys.meta_path.insert(0, Forbidden())
"""

LOUD = """
import ctypes, os, subprocess, sys
class Loud:
    said = False
    def find_spec(self, name, path=None, target=None):
        if name != "pykka" or Loud.said:
            return
        Loud.said = True
        print("loud: print")
        sys.__stdout__.write("loud: original stdout\\n")
        sys.__stdout__.flush()
        os.write(1, b"loud: descriptor\\n")
        libc = ctypes.CDLL(None)
        libc.puts(b"loud: C library")
        libc.fflush(None)
        subprocess.run(["sh", "-c", "echo loud: child"])
        subprocess.run([sys.executable, "-c", "print('loud: inheriting child')"], close_fds=False)
        sys.stdout.flush()
sys.meta_path.insert(0, Loud())
"""

HEIR = """
import os, subprocess, sys
class Heir:
    def find_spec(self, name, path=None, target=None):
        if name == "pykka" and "HEIR" in os.environ:
            child = subprocess.Popen(["sleep", "60"], close_fds=False)
            with open(os.environ.pop("HEIR"), "w") as file:
                file.write(str(child.pid))
sys.meta_path.insert(0, Heir())
"""


@pytest.fixture
def startup(tmp_path):
    """Run some code at the start of each interpreter; returns the environment for that."""

    def prepare(code):
        (tmp_path / "sitecustomize.py").write_text(code)
        return {"PYTHONPATH": os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))}

    return prepare


def test_process_ready_is_the_first_frame_and_says_protocol_1():
    assert run(line(**probe("p"))).events == [READY, answer_of("p")]


def test_process_ready_needs_no_heavy_import(startup):
    done = run(env=startup(FORBID), code=69)
    ready, error = done.events
    assert ready == READY
    assert "forbidden: " in error["message"]
    assert "forbidden: " in done.stderr


def test_commands_written_before_process_ready_are_carried_out_in_order():
    join = line(type="join", guildId="10", channelId="20", selfMute=False, selfDeaf=False)
    events = run(join, line(**probe("p"))).events
    assert [event["type"] for event in events[:3]] == ["process_ready", "adapter_send", "tts_playback_state"]


def test_no_print_of_a_library_or_child_reaches_the_parent(startup):
    done = run(line(**probe("p")), env=startup(LOUD))
    assert done.events == [READY, answer_of("p")]
    for voice in ("print", "original stdout", "descriptor", "C library", "child", "inheriting child"):
        assert f"loud: {voice}" in done.stderr


def test_a_child_that_outlives_the_process_keeps_neither_of_the_two_pipes(startup, tmp_path):
    note = tmp_path / "pid"
    with (tmp_path / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, **startup(HEIR), "HEIR": str(note)},
        )
    try:
        stdout, _ = process.communicate(line(type="destroy") + b"\n", timeout=20)  # ends at the end of stdout
    finally:
        os.kill(int(note.read_text()), signal.SIGKILL)
    assert [entry.body for entry in frames_of(stdout)] == [READY]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
def test_the_process_is_called_clankvox():
    with VoxParent() as vox:
        assert Path(f"/proc/{vox.pid}/comm").read_text().strip() == "clankvox"


def test_logs_are_one_json_object_a_line_on_stderr_where_there_is_no_terminal():
    done = run(line(type="join", connectionId="c", guildId="1", channelId="2"), args=["--log-level", "debug"])
    records = [json.loads(text) for text in done.stderr.splitlines()]
    assert {"time", "level", "target", "message"} <= records[0].keys()
