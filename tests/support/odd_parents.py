"""Parents that do not read as a parent should: for a while, or never again; and one that can be killed."""

import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, cast

from clankvox.demo.parent import VoxParent

PREFIX_BYTES = 5


class _Gate:
    """A stream whose reads wait for, or end with, what `before` says."""

    def __init__(self, stream: BinaryIO, before: Callable[[int], bool]) -> None:
        self._stream = stream
        self._before = before

    def read(self, size: int) -> bytes:
        return self._stream.read(size) if self._before(size) else b""

    def close(self) -> None:
        self._stream.close()


class DawdlingParent(VoxParent):
    """Reads stdout only while `reading` is set."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.reading = threading.Event()
        self.reading.set()

    def _read_frames(self, stream: BinaryIO) -> None:
        super()._read_frames(cast(BinaryIO, _Gate(stream, lambda _size: self.reading.wait())))


class DeafParent(VoxParent):
    """Closes its end of stdout, once `deaf` is set, behind the frame that it reads then."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.deaf = threading.Event()

    def _read_frames(self, stream: BinaryIO) -> None:
        super()._read_frames(cast(BinaryIO, _Gate(stream, self._goes_on)))

    def _goes_on(self, size: int) -> bool:
        return size != PREFIX_BYTES or not self.deaf.is_set()


RELAY = """
import os, subprocess, sys, threading
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def copy(source, target):
    while data := os.read(source, 65536):
        while data:
            data = data[os.write(target, data):]
    os.close(target)
threading.Thread(target=copy, args=(0, child.stdin.fileno()), daemon=True).start()
copy(child.stdout.fileno(), 1)
sys.exit(child.wait())
"""


def behind_a_parent(command: Sequence[str]) -> list[str]:
    """Return the command of a process that owns both pipes of `command`, copies what is in them, and can be killed."""
    return [sys.executable, "-c", RELAY, *command]
