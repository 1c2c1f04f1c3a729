"""Whether the process that started this one still lives, also when nothing of its pipes tells.

The end of stdin says so unless a sibling has inherited the parent's end of the pipe (a fork without exec does that):
then no end of file ever comes. A process descriptor (man 2 pidfd_open, Linux 5.3) tells all the same, at once and
without a poll. Elsewhere, and where it is not permitted, the end of stdin remains.
"""

import os
import select
import threading
from collections.abc import Callable


def open_parent() -> int | None:
    """Return a descriptor that is readable when the process that is our parent now has ended; None if there is none.

    To be called first of all: who is gone already cannot be watched.
    """
    try:
        return os.pidfd_open(os.getppid())
    except (AttributeError, OSError):  # no Linux; an old one, a sandbox, a parent in another PID namespace
        return None


class ParentWatch(threading.Thread):
    """Calls `on_gone` once, on this thread, when the parent *process* has ended.

    The parent-death signal of prctl would tell of the *thread* that forked us, which may be a worker that ends early.
    """

    def __init__(self, parent_fd: int, on_gone: Callable[[], None]) -> None:
        """Watch what `open_parent` returned; it stays open as long as we live."""
        super().__init__(name="parent", daemon=True)
        self._parent_fd = parent_fd
        self._on_gone = on_gone

    def run(self) -> None:
        """Wait for the end of the parent. This thread."""
        poll = select.poll()  # select() refuses descriptors from 1,024 on, which a child of a large process may have
        poll.register(self._parent_fd, select.POLLIN)
        poll.poll()
        self._on_gone()
