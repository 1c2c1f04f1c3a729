"""The command line: what it dispatches to, and how the process ends before it has begun."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clankvox import __main__ as command_line
from clankvox import __version__
from clankvox.demo import cli as demo
from clankvox.doctor import cli as doctor
from clankvox.loopback import cli as loopback
from tests.support.process_call import COMMAND, frames_of

STOPPED_WHILE_IMPORTING = """
import os, signal, sys, time
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "pykka":
            os.kill(os.getpid(), signal.{name})
            time.sleep(60)
sys.meta_path.insert(0, Slow())
"""


def clankvox(*arguments, **options):
    return subprocess.run([*COMMAND, *arguments], capture_output=True, timeout=30, check=False, **options)


@pytest.mark.parametrize(("module", "name"), [(demo, "demo"), (doctor, "doctor"), (loopback, "loopback")])
def test_a_subcommand_gets_the_arguments_behind_it_and_gives_the_exit_code(monkeypatch, module, name):
    got = []
    monkeypatch.setattr(module, "main", lambda arguments: got.extend(arguments) or 66)
    assert command_line.main([name, "--some", "flag"]) == 66
    assert got == ["--some", "flag"]


@pytest.mark.parametrize("arguments", [[], ["--log-level", "debug"], ["serve"], ["serve", "--log-level", "debug"]])
def test_without_a_subcommand_or_with_serve_a_parent_is_served(monkeypatch, arguments):
    served = []
    monkeypatch.setattr(command_line, "_serve", lambda flags: served.append(flags) or 0)
    assert command_line.main(arguments) == 0
    assert served == [[flag for flag in arguments if flag != "serve"]]


def test_the_arguments_are_those_of_the_process_by_default(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["clankvox", "--version"])
    assert command_line.main() == 0
    assert capsys.readouterr().out == f"clankvox {__version__}\n"


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_is_no_error_and_names_every_subcommand(capsys, flag):
    assert command_line.main([flag]) == 0
    usage = capsys.readouterr().out
    assert all(f"clankvox {name}" in usage for name in ("[serve]", "doctor", "demo", "loopback", "--version"))


def test_an_unknown_subcommand_is_a_usage_error_without_a_byte_on_stdout():
    done = clankvox("sing")
    assert (done.returncode, done.stdout) == (64, b"")
    assert done.stderr.startswith(b"usage: ")


@pytest.mark.parametrize("flags", [["--log-level", "loud"], ["serve", "--colour"], ["serve", "extra"]])
def test_a_wrong_flag_is_a_usage_error_without_a_byte_on_stdout(flags):
    done = clankvox(*flags)
    assert (done.returncode, done.stdout) == (64, b"")


def test_a_wrong_setting_in_the_environment_is_a_configuration_error_without_a_byte_on_stdout():
    done = clankvox(env={"CLANKVOX_LOG_LEVEL": "loud"})
    assert (done.returncode, done.stdout) == (78, b"")


BROKEN = """
import sys
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "{name}":
            raise {error}
sys.meta_path.insert(0, Broken())
"""


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """Let a library raise something as soon as it is imported."""

    def put(name, error):
        (tmp_path / "sitecustomize.py").write_text(BROKEN.format(name=name, error=error))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")

    return put


@pytest.mark.parametrize(
    ("name", "error", "flags"),
    [
        ("davey", "ModuleNotFoundError('No module named davey')", []),
        ("numpy", "RuntimeError('this CPU is too old')", []),
        ("simplejpeg", "BaseException('panicked')", []),
        ("prometheus_client", "ModuleNotFoundError('no prometheus')", ["--metrics-addr", "127.0.0.1:0"]),
        ("opuslib", "OSError('cannot open libopus')", ["--log-format", "json"]),
    ],
)
def test_a_library_that_is_missing_or_does_not_load_is_told_to_people_and_to_the_parent(broken, name, error, flags):
    broken(name, error)
    done = clankvox(*flags, input=b"")
    what = "libopus is missing or does not load" if name == "opuslib" else error.split("'")[1]
    assert done.returncode == 69
    assert done.stderr.decode() == f"clankvox cannot run: {what}. `clankvox doctor` examines the installation.\n"
    ready, told = [entry.body for entry in frames_of(done.stdout)]
    assert ready["type"] == "process_ready"
    assert (told["type"], told["role"], told["message"] + "\n") == ("error", "voice", done.stderr.decode())


@pytest.mark.parametrize("name", ["demo", "loopback"])
def test_a_subcommand_whose_library_does_not_load_says_so_too(broken, name):
    broken("numpy", "RuntimeError('this CPU is too old')")
    done = clankvox(name, input=b"")
    assert (done.returncode, done.stdout) == (69, b"")
    assert done.stderr.startswith(b"clankvox cannot run: this CPU is too old. `clankvox doctor`")


@pytest.mark.parametrize("name", ["demo", "doctor", "loopback"])
def test_a_wrong_flag_of_a_subcommand_is_a_usage_error_as_all_others_are(name):
    done = clankvox(name, "--nonsense")
    assert (done.returncode, done.stdout) == (64, b"")
    assert done.stderr.startswith(b"usage: ")


def test_a_subcommand_that_is_interrupted_ends_as_shells_expect_without_a_traceback(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Interrupts:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'clankvox.doctor.codecs':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupts())\n"
    )
    done = clankvox("doctor", env={**os.environ, "PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[1]}"})
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_a_subcommand_whose_reader_has_gone_ends_without_a_traceback():
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    done = subprocess.run(
        [*COMMAND, "doctor"], stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False, env=environment
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (74, b"")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_while_it_is_still_importing_ends_it_with_code_0_too(tmp_path, monkeypatch, number):
    (tmp_path / "sitecustomize.py").write_text(STOPPED_WHILE_IMPORTING.format(name=number.name))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    done = clankvox("serve", input=b"")
    assert done.returncode == 0
    assert [entry.body["type"] for entry in frames_of(done.stdout)] == ["process_ready"]
    assert done.stderr == b""
