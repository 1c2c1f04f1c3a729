"""Signals: SIGTERM, SIGINT and SIGHUP ask for the end, SIGUSR1 for a look at what the process is doing.

SIGHUP comes when the terminal of the parent is closed. It stays ignored where it was ignored (`nohup`).
"""

import faulthandler
import logging
import signal
import socket
import tempfile
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final

_log = logging.getLogger("clankvox.signals")
_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_HANGUP: Final[signal.Signals | None] = getattr(signal, "SIGHUP", None)
_INSPECT_SIGNAL: Final[signal.Signals | None] = getattr(signal, "SIGUSR1", None)
_QUIT: Final = b"\0"


class StopSignals:
    """Calls `on_stop` once, on a thread of its own, at the first that asks for the end; `on_inspect` at each SIGUSR1.

    A Python signal handler runs on the main thread between two bytecodes, perhaps while that thread holds the
    very lock that `on_stop` needs. So the handlers do nothing, and a thread reads the numbers from the wake-up
    descriptor; `on_stop` may therefore take locks and tell actors.
    """

    def __init__(self, on_stop: Callable[[signal.Signals], None], on_inspect: Callable[[], None] | None = None) -> None:
        self._on_stop = on_stop
        self._on_inspect = on_inspect
        self._ours, self._interpreters = socket.socketpair()
        self._stop_signals: tuple[signal.Signals, ...] = _STOP_SIGNALS
        if _HANGUP is not None and signal.getsignal(_HANGUP) is not signal.SIG_IGN:
            self._stop_signals = (*_STOP_SIGNALS, _HANGUP)
        self._previous_fd = -1
        self._previous_handlers: dict[signal.Signals, object] = {}
        self._thread = threading.Thread(target=self._run, name="signals", daemon=True)

    def start(self) -> None:
        """Take over the signals. The main thread only (Python's rule for signal handlers)."""
        self._interpreters.setblocking(False)
        self._previous_fd = signal.set_wakeup_fd(self._interpreters.fileno(), warn_on_full_buffer=False)
        for number in self._stop_signals:
            self._previous_handlers[number] = signal.signal(number, _ignore)
        if self._on_inspect is not None and _INSPECT_SIGNAL is not None:
            self._previous_handlers[_INSPECT_SIGNAL] = signal.signal(_INSPECT_SIGNAL, _ignore)
        self._thread.start()

    def stop(self) -> None:
        """Give the signals back to their former handlers and end the thread. The main thread only."""
        signal.set_wakeup_fd(self._previous_fd)
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._interpreters.sendall(_QUIT)
        if threading.current_thread() is not self._thread:
            self._thread.join()
        self._interpreters.close()

    def _run(self) -> None:
        asked = False
        with self._ours:
            while (numbers := self._ours.recv(64)) and _QUIT not in numbers:
                if self._on_inspect is not None and _INSPECT_SIGNAL is not None and _INSPECT_SIGNAL in numbers:
                    self._inspect(self._on_inspect)
                wanted = [number for number in self._stop_signals if number in numbers]
                if wanted and not asked:
                    asked = True
                    self._ask(wanted[0])

    def _ask(self, number: signal.Signals) -> None:
        try:
            self._on_stop(number)
        except Exception:  # noqa: BLE001 - logged; there is nobody to tell
            _log.exception("stop request failed")

    @staticmethod
    def _inspect(on_inspect: Callable[[], None]) -> None:
        try:
            on_inspect()
        except Exception:  # noqa: BLE001 - logged; there is nobody to tell
            _log.exception("inspection failed")


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Stand in for the default action, which would end the process; the wake-up descriptor tells the thread."""


def stacks() -> str:
    """Return what all threads are doing, the most recent call first: names of files and functions, no values.

    By no signal handler in C, which would look without the interpreter lock at frames that their thread pops meanwhile:
    one signal in a hundred ended a busy process with SIGSEGV (CPython issue 116008). By way of a file, because a pipe
    that is full would hold up all threads.
    """
    try:
        with tempfile.TemporaryFile() as file:
            faulthandler.dump_traceback(file, all_threads=True)
            file.seek(0)
            told = file.read().decode(errors="replace")
    except OSError as error:  # as in a container without a folder that it may write to
        return f"no stacks without a temporary file: {error.strerror}\n"
    for thread in threading.enumerate():
        told = told.replace(f"hread 0x{thread.ident or 0:016x} ", f"hread {thread.name} ")
    return told
