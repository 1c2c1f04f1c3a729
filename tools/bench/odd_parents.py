"""Parents that do not read as a parent should: for a while, or never again."""

import threading
from collections.abc import Callable
from typing import Any, BinaryIO, Final, cast

from clankvox.demo.parent import VoxParent

_PREFIX_BYTES: Final = 5


class _Gate:
    """A stream whose reads wait for, or end with, what `before` says."""

    def __init__(self, stream: BinaryIO, before: Callable[[int], bool]) -> None:
        self._stream, self._before = stream, before

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
        return size != _PREFIX_BYTES or not self.deaf.is_set()
