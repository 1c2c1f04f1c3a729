"""davey and libdave in one group, in a process that may be aborted."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from clankvox.doctor import beside_libdave, dave_group
from clankvox.doctor.finding import Doubtful, Skipped, Wrong


def test_frames_cross_between_davey_and_libdave():
    assert beside_libdave.libdave() == "its frames open here, and ours there"


def test_libdave_is_not_needed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(Skipped):
        beside_libdave.libdave()


def test_what_the_group_found_wrong_is_said_and_is_the_exit_code(monkeypatch, capsys):
    def beside(_library):
        raise Wrong("speech does not come through")

    monkeypatch.setattr(dave_group, "beside", beside)
    assert beside_libdave.main() == 1
    assert capsys.readouterr().out == "speech does not come through\n"


@pytest.mark.parametrize(
    ("code", "stdout", "said"),
    [
        (1, "speech does not come through\n", "speech does not come through"),
        (1, "raised ValueError\n", "raised ValueError"),
        (3, "", "not examined: a library does not load"),
        (-6, "", r"libdave ended its process \(code -6\)"),
    ],
)
def test_every_end_of_the_process_is_told(monkeypatch, code, stdout, said):
    done = subprocess.CompletedProcess([], code, stdout, "")
    monkeypatch.setattr(subprocess, "run", lambda *_args, **_options: done)
    with pytest.raises(Wrong, match=f"^{said}$"):
        beside_libdave.libdave()


def test_a_broken_libdave_is_a_warning_because_nothing_needs_it(monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_args, **_options: subprocess.CompletedProcess([], 4, "", ""))
    with pytest.raises(Doubtful, match="nothing needs it"):
        beside_libdave.libdave()


@pytest.mark.parametrize(("broken", "code"), [("davey", 3), ("cryptography", 3), ("dave", 4)])
def test_what_does_not_load_is_told_apart_from_a_disagreement(tmp_path, broken, code):
    (tmp_path / f"{broken}.py").write_text("raise ImportError('libx.so.1')")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"}
    command = [sys.executable, "-m", "clankvox.doctor.beside_libdave"]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (code, b"")


def test_whatever_a_broken_library_raises_is_said(monkeypatch, capsys):
    def beside(_library):
        raise ZeroDivisionError

    monkeypatch.setattr(dave_group, "beside", beside)
    assert beside_libdave.main() == 1
    assert capsys.readouterr().out == "raised ZeroDivisionError\n"


def test_a_group_that_hangs_is_wrong(monkeypatch):
    def hangs(*_args, **_options):
        raise subprocess.TimeoutExpired("group", 20)

    monkeypatch.setattr(subprocess, "run", hangs)
    with pytest.raises(Wrong, match="no answer within 20 s"):
        beside_libdave.libdave()
