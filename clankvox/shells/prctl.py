"""What only the kernel can set on a process or a thread: its name, timer slack, and what happens when the parent dies.

All of it is Linux (man 2 prctl) and best effort: elsewhere the calls do nothing and return False.
"""

import ctypes
import signal
import sys
from collections.abc import Callable
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
_PR_SET_TIMERSLACK: Final = 29


def _load() -> Callable[..., int] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        call = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return None
    # The C declaration is variadic: without explicit types a 64-bit value would be cut to an int.
    call.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong]
    call.restype = ctypes.c_int
    return call


# Looked up once, at import: set_parent_death_signal may run between fork and exec, where loading is not safe.
_prctl = _load()


def set_process_name(name: str) -> bool:
    """Name the calling thread; on the main thread that is the process's name in ps and top. At most 15 bytes."""
    if _prctl is None:
        return False
    text = ctypes.create_string_buffer(name.encode()[:15])
    return _prctl(_PR_SET_NAME, ctypes.addressof(text), 0, 0, 0) == 0


def set_timer_slack(nanoseconds: int = 1) -> bool:
    """Let timed waits of the calling thread end when they are due; the default slack of 50 us delays each of them."""
    return _prctl is not None and _prctl(_PR_SET_TIMERSLACK, nanoseconds, 0, 0, 0) == 0


def set_parent_death_signal(number: signal.Signals = signal.SIGTERM) -> bool:
    """Have the kernel send `number` to the calling process when the thread that forked it ends.

    The *thread*, not the process (man 2 PR_SET_PDEATHSIG): call it in children that a thread of ours starts
    only if that thread outlives them, and not in the main process, whose parent may spawn from a worker thread
    (a parent's death is noticed there by the end of stdin). Safe between fork and exec.
    """
    return _prctl is not None and _prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0) == 0
