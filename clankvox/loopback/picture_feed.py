"""The thread that draws and encodes a publishing member's pictures on an absolute grid."""

import threading
from collections.abc import Callable
from typing import NamedTuple

from clankvox.clock import Clock
from clankvox.errors import ClankvoxError
from clankvox.loopback.clock_picture import Stamp
from clankvox.loopback.film import Film
from clankvox.loopback.picture_encoder import EncodedPicture


class Due(NamedTuple):
    """A picture, and the instant that it shows (monotonic seconds)."""

    picture: EncodedPicture
    at_s: float


class PictureFeed:
    """Starts paused. Pictures that would come late are skipped, never sent in a burst."""

    def __init__(self, film: Film, fps: float, clock: Clock, take: Callable[[Due], None]) -> None:
        """Hand each picture to `take`, on the thread of the feed."""
        self._film = film
        self._counter = 0
        self._period_s = 1 / fps
        self._clock = clock
        self._take = take
        self._key_due = threading.Event()
        self._running = threading.Event()
        self._ended = threading.Event()
        self.failure: ClankvoxError | None = None
        """What ended the feed early."""
        self._thread = threading.Thread(target=self._run, name="loopback-pictures", daemon=True)
        self._thread.start()

    def resume(self) -> None:
        """Let pictures come, from a key frame on. Any thread."""
        self._key_due.set()
        self._running.set()

    def pause(self) -> None:
        """Let no more pictures come. Any thread."""
        self._running.clear()

    def force_key(self) -> None:
        """Make the next picture a key frame. Any thread."""
        self._key_due.set()

    def change(self, film: Film) -> None:
        """Go on with another film, from a key frame on; the pictures are counted on. Any thread."""
        self._film = film
        self._key_due.set()

    def end(self) -> None:
        """End the thread, without waiting for it."""
        self._ended.set()
        self._running.set()

    def _run(self) -> None:
        due_s = self._clock.now()
        while not self._ended.is_set():
            if not self._running.is_set():
                self._running.wait()
                due_s = self._clock.now()
                continue
            now = self._clock.now()
            if now < due_s:
                self._ended.wait(due_s - now)
                continue
            due_s += (int((now - due_s) / self._period_s) + 1) * self._period_s
            key = self._key_due.is_set()
            self._key_due.clear()
            try:
                self._take(Due(self._film.next(Stamp(self._counter, round(now * 1000)), key=key), now))
            except ClankvoxError as failure:
                self.failure = failure
                return
            self._counter += 1
