"""Plays sources of the real shell from the real HTTP server into PCM, as fast as they come."""

import queue
import threading
import time

import numpy as np

from clankvox.ids import Attempt
from clankvox.media.mending import Patience
from clankvox.media.source_port import SourceRequest
from clankvox.media.track_buffer import TrackBuffer
from clankvox.messages.music import SourceEnded, SourceFailed, SourceStarted
from clankvox.shells.music_source import MusicSources
from tests.support.media_server import MediaServer

DEADLINE_S = 30.0
QUICK = Patience(direct_s=3.0, page_s=20.0, stall_s=0.5, mend_s=6.0)


class Playing:
    """One attempt and what came of it."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.changed = threading.Condition()
        self.buffer = TrackBuffer(on_filled=self.look)
        self.news: list[object] = []
        self.pcm: list[np.ndarray] = []

    def look(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def tell(self, message: object) -> None:
        with self.changed:
            self.news.append(message)
            self.changed.notify_all()

    @property
    def last(self) -> object | None:
        return self.news[-1] if self.news else None

    def take(self, samples: int | None = None) -> np.ndarray:
        """Take PCM until there are `samples`, or (None) until the source ended or failed; returns all taken so far."""
        frame = np.zeros((960, 2), np.int16)
        deadline = time.monotonic() + DEADLINE_S
        while samples is None or sum(map(len, self.pcm)) < samples:
            count = self.buffer.take_into(frame)
            if count:
                self.pcm.append(frame[:count].copy())
                continue
            with self.changed:
                over = isinstance(self.last, SourceEnded | SourceFailed)
                if over and not self.buffer.buffered_samples:
                    break
                self.changed.wait_for(
                    lambda: self.buffer.buffered_samples or isinstance(self.last, SourceEnded | SourceFailed), 1.0
                )
            assert time.monotonic() < deadline, "the source neither goes on nor ends"
        return np.concatenate(self.pcm) if self.pcm else np.empty((0, 2), np.int16)

    def wait_news(self, kind: type) -> object:
        with self.changed:
            assert self.changed.wait_for(lambda: any(isinstance(news, kind) for news in self.news), DEADLINE_S)
        return next(news for news in self.news if isinstance(news, kind))


class SourceBench:
    """A server, the shell, and attempts."""

    def __init__(self, patience: Patience = QUICK, **switches: bool) -> None:
        self.server = MediaServer()
        self.patience = patience
        self.sources = MusicSources(self.tell, patience=patience, **{"allow_private_hosts": True, **switches})
        self.playings: dict[Attempt, Playing] = {}
        self.strays: queue.SimpleQueue[object] = queue.SimpleQueue()

    def tell(self, message: SourceStarted | SourceEnded | SourceFailed) -> None:
        playing = self.playings.get(message.attempt)
        (playing.tell if playing else self.strays.put)(message)

    def open(self, url: str, direct: bool = True, start_ms: int = 0) -> Playing:
        playing = Playing(Attempt(len(self.playings) + 1))
        self.playings[playing.attempt] = playing
        self.sources.open(playing.attempt, SourceRequest(url, direct, start_ms), playing.buffer)
        return playing

    def play(self, url: str, direct: bool = True, start_ms: int = 0) -> np.ndarray:
        """Play to the natural end."""
        playing = self.open(url, direct, start_ms)
        pcm = playing.take()
        assert [type(news) for news in playing.news] == [SourceStarted, SourceEnded], playing.news
        return pcm

    def fail(self, url: str, direct: bool = True) -> SourceFailed:
        """Play what fails; returns how."""
        playing = self.open(url, direct)
        playing.take()
        assert isinstance(playing.last, SourceFailed), playing.news
        return playing.last

    def close(self) -> None:
        self.sources.close_all()
        self.server.close()
