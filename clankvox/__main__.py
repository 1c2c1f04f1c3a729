"""The command line. `clankvox` alone serves a parent: its first frame leaves before anything heavy is imported."""

import faulthandler
import gc
import os
import signal
import sys
from types import FrameType
from typing import Final

from clankvox import __version__
from clankvox.errors import ExitCode
from clankvox.ipc.framing import frame_json
from clankvox.shells.allocator import give_back_memory
from clankvox.shells.parent import open_parent
from clankvox.shells.prctl import set_process_name
from clankvox.shells.stdio import claim_stdin, claim_stdout, keep_standard_descriptors

PROTOCOL_VERSION: Final = 1
_ARGPARSE_USAGE: Final = 2
_INTERRUPTED: Final = 130
"""What a shell makes of a program that SIGINT ended."""

USAGE: Final = """usage: clankvox [serve] [--config FILE] [--log-level LEVEL] [--log-format FORMAT]
                        [--allow-files] [--allow-private-hosts] [--outlive-parent]
                        [--metrics-addr HOST:PORT [--metrics-public]]
       clankvox doctor [--help]      check this installation and this machine
       clankvox demo [--help]        a whole call against the offline Discord, with a report
       clankvox loopback [--help]    the offline Discord
       clankvox --version

Without a subcommand: serve one parent, JSON lines on stdin, frames on stdout, logs on stderr.
"""


def main(argv: list[str] | None = None) -> int:
    """Dispatch to a subcommand; returns the exit code (serving ends the process itself)."""
    arguments = sys.argv[1:] if argv is None else argv
    match arguments:
        case ["-h" | "--help", *_]:
            sys.stdout.write(USAGE)
            return 0
        case ["--version", *_]:
            sys.stdout.write(f"clankvox {__version__}\n")
            return 0
        case [("demo" | "doctor" | "loopback") as name, *rest]:
            try:
                return _run(name, rest)
            except KeyboardInterrupt:
                return _INTERRUPTED
            except BrokenPipeError:  # such as `| head`; what is still buffered would raise once more at the end
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return ExitCode.STDOUT
        case ["serve", *rest]:
            return _serve(rest)
        case [] | [_, *_] if not arguments or arguments[0].startswith("--"):
            return _serve(arguments)
        case _:
            sys.stderr.write(USAGE)
            return ExitCode.USAGE


def _run(name: str, arguments: list[str]) -> int:
    """Run a subcommand, with the exit codes of all the others."""
    from importlib import import_module

    try:
        subcommand = import_module(f"clankvox.{name}.cli")
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as fault:  # noqa: BLE001 - see _serve
        sys.stderr.write(_what_is_missing(fault) + "\n")
        return ExitCode.UNAVAILABLE
    try:
        return int(subcommand.main(arguments))
    except SystemExit as ended:
        if ended.code == _ARGPARSE_USAGE:
            return ExitCode.USAGE
        raise


def _serve(arguments: list[str]) -> int:
    from clankvox.config import parse

    try:
        keep_standard_descriptors()
    except OSError:
        return ExitCode.STDOUT
    config = parse(arguments)
    faulthandler.enable()  # who reports a crash of a native library can say where it was
    _take_signals()
    stdin_fd, stdout_fd = claim_stdin(), claim_stdout()
    parent_fd = None if config.outlive_parent else open_parent()
    set_process_name("clankvox")
    give_back_memory()
    ready = b'{"type":"process_ready","protocolVersion":%d,"version":"%b"}' % (PROTOCOL_VERSION, __version__.encode())
    try:
        os.write(stdout_fd, frame_json(ready))
    except OSError:
        return ExitCode.STDOUT

    gc.disable()  # importing makes 60,000 objects and no garbage; the app switches it on again
    try:
        from clankvox import app

        if config.metrics_address is not None:
            import clankvox.metrics  # noqa: F401 - the app imports it, and could not say what it lacks
    except BaseException as fault:  # noqa: BLE001 - numpy on a CPU that is too old raises RuntimeError, Rust panics
        return _give_up(stdout_fd, fault)
    return app.serve(stdin_fd, stdout_fd, config, parent_fd)


def _take_signals() -> None:
    """Until the app, whose import takes a while, can end in order and show something."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # see shells/signals.py
        signal.signal(signal.SIGHUP, _exit)
    if hasattr(signal, "SIGUSR1"):
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # the default action is the end


def _give_up(stdout_fd: int, fault: BaseException) -> int:
    """Say which library is missing or does not load, to people and to the parent."""
    import json

    sentence = _what_is_missing(fault)
    sys.stderr.write(sentence + "\n")
    error = {"type": "error", "code": "voice_runtime_error", "message": sentence, "role": "voice"}
    os.write(stdout_fd, frame_json(json.dumps(error).encode()))
    return ExitCode.UNAVAILABLE


def _what_is_missing(fault: BaseException) -> str:
    """One line, also where a library explains itself at length."""
    said = next((line.strip() for line in str(fault).splitlines() if line.strip()), type(fault).__name__)
    return f"clankvox cannot run: {said.rstrip('.')}. `clankvox doctor` examines the installation."


def _exit(_number: int, _frame: FrameType | None) -> None:
    """Nothing has begun that would have to be ended."""
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
