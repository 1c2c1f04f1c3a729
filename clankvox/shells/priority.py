"""Who gets the CPU first, of the threads of this process (man 7 sched, man 2 setpriority). Linux, and best effort.

The pacer does next to nothing, and that at an instant that everybody hears: where the system permits it (root,
CAP_SYS_NICE or an RLIMIT_RTPRIO), it runs before all else. Elsewhere nothing changes.
"""

import os
import sys
import threading
from contextlib import suppress
from typing import Final

_BEFORE_OTHERS: Final = -10


def go_first() -> bool:
    """Let the calling thread run as soon as it can; False where that is not permitted.

    Threads and processes that it starts do not inherit real time.
    """
    if not sys.platform.startswith("linux"):
        return False
    lowest = os.sched_param(os.sched_get_priority_min(os.SCHED_FIFO))
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, lowest)
        return True
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _BEFORE_OTHERS)
        return True
    return False
