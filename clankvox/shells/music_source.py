"""The sources of music: implements MusicSourcePort with a worker thread an attempt."""

import threading
from collections.abc import Callable

from clankvox.clock import Clock, SystemClock
from clankvox.ids import Attempt
from clankvox.media.mending import Patience
from clankvox.media.source_port import SourceRequest
from clankvox.media.track_buffer import TrackBuffer
from clankvox.messages.common import Message
from clankvox.shells.filter_proxy import FilterProxy
from clankvox.shells.media_finder import MediaFinder
from clankvox.shells.source_worker import SourceWorker

_PATIENCE = Patience()


class MusicSources:
    """Any thread. `sink` takes SourceStarted, SourceEnded and SourceFailed, on the workers' threads."""

    def __init__(
        self,
        sink: Callable[[Message], None],
        *,
        allow_files: bool = False,
        allow_private_hosts: bool = False,
        patience: Patience = _PATIENCE,
        clock: Clock | None = None,
    ) -> None:
        self._sink = sink
        self._allow_files = allow_files
        self._patience = patience
        self._clock = clock or SystemClock()
        self._proxy = FilterProxy(allow_private_hosts)
        self._lock = threading.Lock()
        self._workers: dict[Attempt, SourceWorker] = {}

    def open(self, attempt: Attempt, request: SourceRequest, buffer: TrackBuffer) -> None:
        """See MusicSourcePort. An older worker of the same attempt is closed."""
        finder = MediaFinder(request, self._clock, self._allow_files)
        worker = SourceWorker(attempt, request, buffer, self._proxy, finder, self._patience, self._clock, self._sink)
        with self._lock:
            older = self._workers.get(attempt)
            self._workers = {key: each for key, each in self._workers.items() if not each.ended}
            self._workers[attempt] = worker
        if older is not None:
            older.close()
        worker.start()

    def close(self, attempt: Attempt) -> None:
        """See MusicSourcePort."""
        with self._lock:
            worker = self._workers.pop(attempt, None)
        if worker is not None:
            worker.close()

    def close_all(self) -> None:
        """See MusicSourcePort."""
        with self._lock:
            workers = list(self._workers.values())
            self._workers.clear()
        for worker in workers:
            worker.close()
        self._proxy.close()
