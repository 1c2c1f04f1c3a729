"""The decoding thread of a role: takes access units from its UDP thread, in a short queue, and makes pictures of them.

Decoding takes a millisecond or two and a JPEG as much again, mostly outside of the GIL; on the UDP thread that would
delay audio.
"""

import logging
import threading
from typing import Any, Final, Protocol

from clankvox.ids import Role, Ssrc

_log = logging.getLogger("clankvox.video")

JOIN_S: Final = 0.1


class UnitQueue(Protocol):
    """Access units that wait (media.decode_queue.DecodeQueue); the worker locks it."""

    def put(self, unit: Any) -> bool:
        """Take a unit; False if only a key frame helps its stream now."""
        ...

    def take(self) -> Any | None:
        """Return the unit that has waited longest, None if there is none."""
        ...

    def forget(self, ssrc: Ssrc) -> None:
        """Drop what waits of this stream."""
        ...


class UnitMaker(Protocol):
    """What becomes of units (media.picture_maker.PictureMaker); every method runs on the worker's thread."""

    def make(self, unit: Any) -> None:
        """Make what is wanted of a unit."""
        ...

    def forget(self, ssrc: Ssrc) -> None:
        """Drop what belongs to this stream."""
        ...


class VideoWorker:
    """media.video_ports.AccessUnitSink with a thread; `start` it once. Thread-safe."""

    def __init__(self, role: Role, queue: UnitQueue, maker: UnitMaker) -> None:
        self.failures = 0
        """Exceptions that the maker let escape."""
        self._queue = queue
        self._maker = maker
        self._changed = threading.Condition(threading.Lock())
        self._over: list[Ssrc] = []
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"video-{role.value}", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def access_unit(self, unit: Any) -> bool:
        """Queue a unit; False if only a key frame helps its stream now. Never blocks for long."""
        with self._changed:
            if self._closed:
                return True
            queued = self._queue.put(unit)
            self._changed.notify()
            return queued

    def stream_ended(self, ssrc: Ssrc) -> None:
        """Drop what waits of the stream now, and its decoder before the next unit."""
        with self._changed:
            self._queue.forget(ssrc)
            self._over.append(ssrc)
            self._changed.notify()

    def close(self) -> None:
        """End the thread after the unit that it has; idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(JOIN_S)

    def _run(self) -> None:
        while not self._closed:
            over, unit = self._next()
            try:
                for ssrc in over:
                    self._maker.forget(ssrc)
                if unit is not None:
                    self._maker.make(unit)
            except Exception:  # noqa: BLE001 - whatever a picture does to a codec library, the thread must live
                self._count_failure()

    def _next(self) -> tuple[list[Ssrc], Any | None]:
        """Wait for something to do: streams that are over, and the next unit of those that are not."""
        with self._changed:
            unit = self._queue.take()
            while unit is None and not self._over and not self._closed:
                self._changed.wait()
                unit = self._queue.take()
            over, self._over = self._over, []
            return over, unit

    def _count_failure(self) -> None:
        self.failures += 1
        if self.failures == 1:  # a maker that is broken would fail at every unit
            _log.exception("a picture could not be made")
