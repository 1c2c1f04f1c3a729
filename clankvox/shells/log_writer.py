"""stderr behind a bounded queue: whoever logs never waits for whoever reads the logs.

An actor, or the pacing thread, that logged straight to a pipe which the parent does not read would stand still with the
handler's lock held, and all others with it.
"""

import os
import select
import threading
from collections import deque
from typing import Final

LINES: Final = 2_048
QUEUE_BYTES: Final = 1024 * 1024
"""What does not fit is dropped, the newest first, and counted; the next line that is written says so."""


class LogWriter:
    """Implements log.Stream. `write` and `flush` are for any thread and never wait."""

    def __init__(self, fd: int) -> None:
        """`fd` stays the caller's."""
        self._fd = fd
        self._changed = threading.Condition()
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._dropped = 0
        self._writing = False
        self._running = True
        self._thread = threading.Thread(target=self._run, name="logs", daemon=True)

    def start(self) -> None:
        """Start the thread; what was written before waits for it."""
        self._thread.start()

    def write(self, text: str, /) -> int:
        """Queue `text`, or drop it."""
        line = text.encode(errors="replace")
        with self._changed:
            if not self._running:
                return 0
            if len(self._lines) >= LINES or self._bytes + len(line) > QUEUE_BYTES:
                self._dropped += 1
                return 0
            if self._dropped:
                self._lines.append(b"%d log lines dropped\n" % self._dropped)
                self._bytes += len(self._lines[-1])
                self._dropped = 0
            self._lines.append(line)
            self._bytes += len(line)
            self._changed.notify_all()
        return len(text)

    def flush(self) -> None:
        """Do nothing: the thread writes as fast as the pipe takes it."""

    def drain(self, timeout_s: float) -> bool:
        """Take no more and wait until all is written, at most `timeout_s`; False if something is left."""
        with self._changed:
            self._running = False
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self._lines and not self._writing, timeout_s)

    def _run(self) -> None:
        while (line := self._take()) is not None:
            try:
                _write_all(self._fd, line)
            except OSError:  # nobody reads logs any more
                self._give_up()
                return

    def _take(self) -> bytes | None:
        with self._changed:
            self._writing = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._lines or not self._running)
            if not self._lines:
                return None
            self._writing = True
            line = self._lines.popleft()
            self._bytes -= len(line)
            return line

    def _give_up(self) -> None:
        with self._changed:
            self._running = self._writing = False
            self._lines.clear()
            self._changed.notify_all()


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:  # who shares stderr with us made it so, as Node does with pipes of its own
            select.select([], [fd], [])
