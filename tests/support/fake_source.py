"""Sources without files and threads: tests say what each of them gives, and when."""

import numpy as np

from clankvox.ids import Attempt
from clankvox.media.source_port import SourceRequest
from clankvox.media.track_buffer import TrackBuffer
from clankvox.messages.common import Message
from clankvox.messages.music import SourceEnded, SourceFailed, SourceStarted

SAMPLES_PER_MS = 48
PIECE_MS = 20


class FakeSource:
    """One attempt: what was asked for, and where its PCM goes."""

    def __init__(self, attempt: Attempt, request: SourceRequest, buffer: TrackBuffer, tell) -> None:
        self.attempt, self.request, self.buffer = attempt, request, buffer
        self._tell = tell
        self._given_ms = request.start_ms
        self.closed = False
        self.over = False
        """Whether it has ended or failed; for tests that keep count of it."""

    def give(self, ms: int, level: int = 8_000) -> int:
        """Put up to `ms` of a constant level into the buffer, as much as has room; says how much it was."""
        piece = np.full((PIECE_MS * SAMPLES_PER_MS, 2), level, np.int16)
        before = self._given_ms
        while self._given_ms - before < ms and self.buffer.put_now(piece):
            if self._given_ms == self.request.start_ms:
                self._tell(SourceStarted(attempt=self.attempt))
            self._given_ms += PIECE_MS
        return self._given_ms - before

    def end(self) -> None:
        self.buffer.finish()
        self._tell(SourceEnded(attempt=self.attempt, position_ms=self._given_ms))

    def fail(self, code: str = "http_403", message: str = "refused") -> None:
        self._tell(SourceFailed(attempt=self.attempt, code=code, message=message, position_ms=self._given_ms))


class FakeSources:
    """media.source_port.MusicSourcePort."""

    def __init__(self, tell) -> None:
        self._tell = tell
        self.all: list[FakeSource] = []

    @property
    def last(self) -> FakeSource:
        return self.all[-1]

    @property
    def open_attempts(self) -> list[int]:
        return [source.attempt for source in self.all if not source.closed]

    def open(self, attempt: Attempt, request: SourceRequest, buffer: TrackBuffer) -> None:
        assert attempt not in [source.attempt for source in self.all]
        self.all.append(FakeSource(attempt, request, buffer, self._say))

    def close(self, attempt: Attempt) -> None:
        for source in self.all:
            if source.attempt == attempt:
                source.closed = True
                source.buffer.close()

    def close_all(self) -> None:
        for source in self.all:
            self.close(source.attempt)

    def _say(self, news: Message) -> None:
        self._tell(news)
