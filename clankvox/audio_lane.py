"""The outbox's lane of captured speech: bounded, and PCM is kept back in it until the parent has been told of it.

PCM goes straight from the receive path into the outbox, what the parent has to be told first by way of two actors. So
whoever sends such news says so (`hold`), and the user's PCM waits in the lane until they are queued (`release`).
"""

from collections import deque
from collections.abc import Hashable
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

Frame: TypeAlias = bytes | bytearray
"""A whole frame with its prefix. A bytearray holds captured speech and is zeroed when it is done with."""

AUDIO_STREAM_MS: Final = 10_000
AUDIO_BYTES: Final = 32 * 1024 * 1024
HOLD_S: Final = 0.25
"""What PCM waits for takes a few milliseconds to be queued; after this it was lost on its way."""
HOLD_BYTES: Final = 512 * 1024
"""More than a user's PCM of the two seconds that may come at once, at 48 kHz."""
MARKER_BYTES: Final = 16 * 1024 * 1024


class News(StrEnum):
    """What the parent has to be told of a user before it gets more of his PCM."""

    SPEECH_BEGAN = "speech_began"
    UTTERANCE_ENDED = "utterance_ended"


class _AudioItem(NamedTuple):
    frame: Frame
    stream: Hashable | None  # None: a marker
    duration_us: int


class _Hold:
    """One user's PCM that is kept back, each piece behind the news that it waits for."""

    __slots__ = ("_entries", "bytes", "until")

    def __init__(self, until: float) -> None:
        self.until = until
        self.bytes = 0
        self._entries: deque[News | _AudioItem] = deque()

    @property
    def depth(self) -> int:
        return sum(isinstance(entry, _AudioItem) for entry in self._entries)

    def add(self, entry: News | _AudioItem) -> None:
        self._entries.append(entry)
        if isinstance(entry, _AudioItem):
            self.bytes += len(entry.frame)

    def drop(self, news: News) -> None:
        """Wait for the oldest of these news no more."""
        if news in self._entries:
            self._entries.remove(news)

    def take(self, *until: News) -> list[_AudioItem]:
        """Return the PCM that comes before the first of such news, whatever else it waits for."""
        taken = []
        while self._entries and self._entries[0] not in until:
            entry = self._entries.popleft()
            if isinstance(entry, _AudioItem):
                self.bytes -= len(entry.frame)
                taken.append(entry)
        return taken

    def __bool__(self) -> bool:
        return bool(self._entries)


class AudioLane:
    """PCM of all captures and the markers that end their utterances. Not thread-safe: the outbox's lock is held."""

    def __init__(self) -> None:
        self.items: deque[_AudioItem] = deque()
        """What may be taken now, in its order."""
        self.dropped_stream_full = 0
        self.dropped_lane_full = 0
        self.dropped_markers = 0
        self._pcm_bytes = 0
        self._marker_bytes = 0
        self._stream_us: dict[Hashable, int] = {}
        self._holds: dict[Hashable, _Hold] = {}

    @property
    def depth(self) -> int:
        """Frames that wait, those that are kept back included."""
        return len(self.items) + sum(hold.depth for hold in self._holds.values())

    @property
    def held_until(self) -> float | None:
        """When the first PCM is due that is kept back, None if none is."""
        return min((hold.until for hold in self._holds.values()), default=None)

    def hold(self, user: Hashable, news: News, until: float) -> None:
        """Keep back what is put for `user`, until `release` of these news or the instant `until`."""
        self._holds.setdefault(user, _Hold(until)).add(news)

    def release(self, user: Hashable, news: News) -> None:
        """Let go what waited for these news and for nothing else."""
        hold = self._holds.get(user)
        if hold is None:
            return
        hold.drop(news)
        self.items.extend(hold.take(*News))
        if not hold:
            del self._holds[user]

    def release_overdue(self, now: float) -> None:
        """Let go what has been kept back for too long."""
        for user in [user for user, hold in self._holds.items() if now >= hold.until]:
            self._let_go(user)

    def put_pcm(self, stream: Hashable, frame: Frame, duration_us: int, user: Hashable) -> bool:
        """Queue PCM of one capture; False if there is no room for it."""
        queued_us = self._stream_us.get(stream, 0)
        if queued_us + duration_us > AUDIO_STREAM_MS * 1000:
            self.dropped_stream_full += 1
            return False
        if self._pcm_bytes + len(frame) > AUDIO_BYTES:
            self.dropped_lane_full += 1
            return False
        self._stream_us[stream] = queued_us + duration_us
        self._pcm_bytes += len(frame)
        item = _AudioItem(frame, stream, duration_us)
        hold = self._holds.get(user)
        if hold is None:
            self.items.append(item)
            return True
        hold.add(item)
        if hold.bytes > HOLD_BYTES:
            self._let_go(user)
        return True

    def put_marker(self, frame: Frame, user: Hashable) -> bool:
        """Queue the end of an utterance behind its PCM; False if there is no room for it."""
        hold = self._holds.get(user)
        if hold is not None:  # what its utterance still waits for was lost, or it would have come before its end
            self.items.extend(hold.take(News.UTTERANCE_ENDED))
        if self._marker_bytes + len(frame) > MARKER_BYTES:
            self.dropped_markers += 1
            return False
        self._marker_bytes += len(frame)
        self.items.append(_AudioItem(frame, None, 0))
        return True

    def take(self) -> Frame:
        """Return the next frame of `items`."""
        frame, stream, duration_us = self.items.popleft()
        if stream is None:
            self._marker_bytes -= len(frame)
            return frame
        self._pcm_bytes -= len(frame)
        left_us = self._stream_us.pop(stream) - duration_us
        if left_us:
            self._stream_us[stream] = left_us
        return frame

    def _let_go(self, user: Hashable) -> None:
        self.items.extend(self._holds.pop(user).take())
