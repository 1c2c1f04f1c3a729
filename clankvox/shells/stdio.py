"""The two pipes to the parent: `StdinReader` and `StdoutWriter`, one thread each, and the claim on fds 0 and 1.

Imports nothing heavy, so that stdout can be claimed and the first frame written before anything else is loaded.
"""

import os
import select
import stat
import sys
import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from clankvox.errors import CommandError, InputTooLarge
from clankvox.ipc.framing import LINE_LIMIT_BYTES, TOO_LARGE, Line, LineSplitter
from clankvox.outbox import Outbox, wipe

C = TypeVar("C")

CREDITS: Final = 256
"""Lines that were handed over and have not taken effect yet; at this many the reader stops reading."""
_READ_BYTES: Final = 256 * 1024
_IDLE_S: Final = 1.0


def keep_standard_descriptors() -> None:
    """Put /dev/null where the parent has closed stdin or stderr: what is opened next would get its number.

    OSError if it has closed stdout. Before any descriptor is opened.
    """
    os.fstat(1)
    for fd, flags in ((0, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(fd)
        except OSError:
            os.set_inheritable(os.open(os.devnull, flags), True)
    if sys.__stderr__ is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)


def claim_stdin() -> int:
    """Move fd 0 to a private descriptor that no child inherits, and return it; fd 0 becomes /dev/null."""
    stdin = _duplicate(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return stdin


def claim_stdout() -> int:
    """Move fd 1 to a private descriptor that no child inherits, and return it.

    fd 1 and `sys.stdout` become stderr, so that no library, child or stray print can reach the parent.
    """
    sys.stdout.flush()
    stdout = _duplicate(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return stdout


def _duplicate(fd: int) -> int:
    duplicate = os.dup(fd)
    if sys.platform != "win32":
        os.set_blocking(duplicate, True)  # some parents hand over non-blocking pipes
    return duplicate


class StdinReader(threading.Thread, Generic[C]):
    """Reads lines, decodes them and hands them over, strictly in order. Callbacks run on this thread.

    Each call of `on_command` or `on_rejected` takes one of 256 credits; the owner gives it back with `release`
    when the line has taken effect. So a flood of lines, good or bad, waits in the pipe and not in an inbox.
    `on_end` comes once, after all that was read: end of file, read error, or `stop`.
    """

    def __init__(
        self,
        fd: int,
        decode: Callable[[bytes], C],
        on_command: Callable[[C], None],
        on_rejected: Callable[[CommandError], None],
        on_end: Callable[[], None],
    ) -> None:
        """Read `fd`, which stays the caller's; `decode` raises CommandError for a bad line."""
        super().__init__(name="stdin", daemon=True)
        self._fd = fd
        self._decode = decode
        self._on_command = on_command
        self._on_rejected = on_rejected
        self._on_end = on_end
        self._credits = threading.Semaphore(CREDITS)
        self._stopped = threading.Event()

    def release(self) -> None:
        """Give back the credit of one line. Any thread."""
        self._credits.release()

    def stop(self) -> None:
        """Hand over nothing more. A read that waits for the parent goes on waiting, so do not join. Any thread."""
        self._stopped.set()
        self._credits.release()

    def run(self) -> None:
        """Read until the end. This thread."""
        try:
            self._read_all()
        finally:
            self._on_end()

    def _read_all(self) -> None:
        splitter = LineSplitter()
        while not self._stopped.is_set():
            chunk = self._read()
            lines = splitter.feed(chunk) if chunk else splitter.finish()
            for line in lines:
                self._credits.acquire()
                if self._stopped.is_set():
                    return
                self._hand_over(line)
            if not chunk:
                return

    def _read(self) -> bytes:
        try:
            return os.read(self._fd, _READ_BYTES)
        except OSError:  # a pipe that cannot be read is one whose parent is gone
            return b""

    def _hand_over(self, line: Line) -> None:
        try:
            if line is TOO_LARGE:
                raise InputTooLarge(f"a line may have {LINE_LIMIT_BYTES} bytes")
            command = self._decode(line)
        except CommandError as error:
            self._on_rejected(error)
        else:
            self._on_command(command)


def _tells_room(fd: int) -> bool:
    """Whether what is reported writable takes PIPE_BUF bytes at once (POSIX pipes; Linux and BSD stream sockets)."""
    mode = os.fstat(fd).st_mode
    return hasattr(select, "poll") and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))


class _Room:
    """Looks whether a pipe takes a short frame (at most PIPE_BUF bytes) without waiting."""

    __slots__ = ("_poll", "_yes")

    def __init__(self, fd: int) -> None:
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        self._poll = poll.poll
        self._yes = [(fd, select.POLLOUT)]

    @property
    def has_room(self) -> bool:
        return self._poll(0) == self._yes


class StdoutWriter(threading.Thread):
    """Writes whole frames in the order of the outbox and wipes them. Only this thread waits for a slow parent.

    To wake it costs more than all else that is done for a packet. So whoever has put PCM calls `write_at_hand`, which
    writes it there and then while the parent reads as fast as we write; the thread has the rest, and all else.
    """

    def __init__(self, fd: int, outbox: Outbox, on_broken: Callable[[], None]) -> None:
        """Write to `fd`, which stays the caller's; `on_broken` comes once, on this thread, if that fails."""
        super().__init__(name="stdout", daemon=True)
        self._fd = fd
        self._outbox = outbox
        self._on_broken = on_broken
        self._pen = threading.Lock()
        """Held from the taking of a frame to its last byte, so that frames neither mix nor overtake each other."""
        self._room = _Room(fd) if _tells_room(fd) else None
        self._failure: OSError | None = None

    def flush_and_stop(self, deadline_s: float) -> bool:
        """Close the outbox and wait up to `deadline_s` until all is written. False if the parent did not take it.

        The thread that still hangs in a write then is a daemon: it dies with the process. Any other thread.
        """
        self._outbox.close()
        self.join(deadline_s)
        return not self.is_alive()

    def write_at_hand(self) -> None:
        """Write the PCM that waits, as far as the pipe takes it at once. Any thread; never blocks, never raises.

        What goes before it, or does not fit, is left to the thread, and so is all while that thread is writing.
        """
        if not self._outbox.has_unannounced():
            return
        if self._room is not None and self._pen.acquire(blocking=False):
            try:
                while self._outbox.has_unannounced() and self._room.has_room:
                    frame = self._outbox.take_audio(select.PIPE_BUF)
                    if frame is None:
                        break
                    self._write(frame)
            except OSError as error:
                self._failure = error
                self._outbox.discard()
            finally:
                self._pen.release()
        self._outbox.wake_writer()

    def run(self) -> None:
        """Write until the outbox is finished or the pipe is broken. This thread."""
        try:
            while self._outbox.wait(_IDLE_S):
                with self._pen:
                    while (frame := self._outbox.take(0.0)) is not None:
                        self._write(frame)
            with self._pen:
                if self._failure is not None:
                    raise self._failure
        except OSError:
            self._outbox.discard()
            self._on_broken()

    def _write(self, frame: bytes | bytearray) -> None:
        try:
            written = os.write(self._fd, frame)
            if written < len(frame):
                with memoryview(frame) as rest:
                    while written < len(rest):
                        written += os.write(self._fd, rest[written:])
        finally:
            wipe(frame)
