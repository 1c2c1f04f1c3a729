"""What waits to be said to the parent: three bounded lanes with strict priority, control before audio before video.

No producer ever waits, whatever the parent does. What does not fit is dropped by the lane's own rule and counted:

- control: above 4,096 events telemetry replaces its predecessor or is dropped; all else queues on up to 32 MiB,
  then the newest is dropped.
- audio: 10 s a stream and 32 MiB in all, then the newest PCM is dropped. The marker that ends an utterance keeps
  its place behind the PCM and is not dropped before 16 MiB of markers wait (control overflows long before).
  PCM of a user is kept back while the parent has not been told what it must know first (`hold_audio`).
- video: 64 pictures and 64 MiB, then the oldest is dropped.
"""

import threading
from collections import deque
from collections.abc import Callable, Hashable
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

Frame: TypeAlias = bytes | bytearray
"""A whole frame with its prefix. A bytearray holds captured speech and is zeroed when it is done with."""

CONTROL_EVENTS: Final = 4_096
CONTROL_BYTES: Final = 32 * 1024 * 1024
AUDIO_STREAM_MS: Final = 10_000
AUDIO_BYTES: Final = 32 * 1024 * 1024
HOLD_S: Final = 0.25
"""What PCM waits for takes a few milliseconds to be queued; after this it was lost on its way."""
HOLD_BYTES: Final = 512 * 1024
"""More than a user's PCM of the two seconds that may come at once, at 48 kHz."""
MARKER_BYTES: Final = 16 * 1024 * 1024
UNANNOUNCED_PIECES: Final = 8
"""Pieces of PCM that may wait until the writer is woken: one wake-up for several packets that came together."""
VIDEO_PICTURES: Final = 64
VIDEO_BYTES: Final = 64 * 1024 * 1024


def wipe(frame: Frame) -> None:
    """Zero `frame` if it can be."""
    if isinstance(frame, bytearray):
        frame[:] = bytes(len(frame))


class News(StrEnum):
    """What the parent has to be told of a user before it gets more of his PCM."""

    SPEECH_BEGAN = "speech_began"
    UTTERANCE_ENDED = "utterance_ended"


class OutboxCounters(NamedTuple):
    """Frames that wait, and frames dropped since the start by lane and cause."""

    control_depth: int
    audio_depth: int
    video_depth: int
    control_dropped_telemetry: int
    control_dropped_full: int
    audio_dropped_stream_full: int
    audio_dropped_lane_full: int
    audio_dropped_markers: int
    video_dropped: int

    @property
    def control_dropped(self) -> int:
        """All that the control lane lost."""
        return self.control_dropped_telemetry + self.control_dropped_full

    @property
    def audio_dropped(self) -> int:
        """All that the audio lane lost."""
        return self.audio_dropped_stream_full + self.audio_dropped_lane_full + self.audio_dropped_markers


class _ControlItem:
    """A slot of the control lane, whose frame newer telemetry may replace."""

    __slots__ = ("frame", "key")

    def __init__(self, frame: Frame, key: str | None) -> None:
        self.frame = frame
        self.key = key


class _ControlLane:
    def __init__(self) -> None:
        self.items: deque[_ControlItem] = deque()
        self.dropped_telemetry = 0
        self.dropped_full = 0
        self._bytes = 0
        self._latest: dict[str, _ControlItem] = {}

    @property
    def is_over(self) -> bool:
        return len(self.items) >= CONTROL_EVENTS

    def put(self, frame: Frame, key: str | None) -> bool:
        if key is not None and self.is_over:
            self.dropped_telemetry += 1
            return self._replace(frame, key)
        if self._bytes + len(frame) > CONTROL_BYTES:
            self.dropped_full += 1
            return False
        item = _ControlItem(frame, key)
        self.items.append(item)
        self._bytes += len(frame)
        if key is not None:
            self._latest[key] = item
        return True

    def take(self) -> Frame:
        item = self.items.popleft()
        self._bytes -= len(item.frame)
        if item.key is not None and self._latest.get(item.key) is item:
            del self._latest[item.key]
        return item.frame

    def _replace(self, frame: Frame, key: str) -> bool:
        """Put the newer telemetry where the older one waits; False if none does or it does not fit."""
        item = self._latest.get(key)
        if item is None or self._bytes - len(item.frame) + len(frame) > CONTROL_BYTES:
            return False
        self._bytes += len(frame) - len(item.frame)
        item.frame = frame
        return True


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


class _AudioLane:
    def __init__(self) -> None:
        self.items: deque[_AudioItem] = deque()
        self.dropped_stream_full = 0
        self.dropped_lane_full = 0
        self.dropped_markers = 0
        self._pcm_bytes = 0
        self._marker_bytes = 0
        self._stream_us: dict[Hashable, int] = {}
        self._holds: dict[Hashable, _Hold] = {}

    @property
    def depth(self) -> int:
        return len(self.items) + sum(hold.depth for hold in self._holds.values())

    @property
    def held_until(self) -> float | None:
        return min((hold.until for hold in self._holds.values()), default=None)

    def hold(self, user: Hashable, news: News, until: float) -> None:
        self._holds.setdefault(user, _Hold(until)).add(news)

    def release(self, user: Hashable, news: News) -> None:
        hold = self._holds.get(user)
        if hold is None:
            return
        hold.drop(news)
        self.items.extend(hold.take(*News))
        if not hold:
            del self._holds[user]

    def release_overdue(self, now: float) -> None:
        for user in [user for user, hold in self._holds.items() if now >= hold.until]:
            self._let_go(user)

    def put_pcm(self, stream: Hashable, frame: Frame, duration_us: int, user: Hashable) -> bool:
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
        frame, stream, duration_us = self.items.popleft()
        if stream is None:
            self._marker_bytes -= len(frame)
            return frame
        self._pcm_bytes -= len(frame)
        self._stream_us[stream] -= duration_us
        if self._stream_us[stream] == 0:
            del self._stream_us[stream]
        return frame

    def _let_go(self, user: Hashable) -> None:
        self.items.extend(self._holds.pop(user).take())


class _VideoLane:
    def __init__(self) -> None:
        self.items: deque[Frame] = deque()
        self.dropped = 0
        self._bytes = 0

    def put(self, frame: Frame) -> bool:
        dropped_before = self.dropped
        while self.items and (len(self.items) >= VIDEO_PICTURES or self._bytes + len(frame) > VIDEO_BYTES):
            wipe(self.take())
            self.dropped += 1
        self.items.append(frame)
        self._bytes += len(frame)
        return self.dropped == dropped_before

    def take(self) -> Frame:
        frame = self.items.popleft()
        self._bytes -= len(frame)
        return frame


class Outbox:
    """The three lanes. Thread-safe: any thread puts, the writer's thread takes.

    A frame belongs to the outbox once it was put, and to the taker once it was taken; whoever drops or writes
    it wipes it. After `close` what is queued can still be taken; nothing is queued any more, uncounted.
    """

    def __init__(self, now: Callable[[], float] = lambda: 0.0) -> None:
        """`now` (monotonic seconds) says for how long PCM has been kept back; without it, no time passes."""
        self._now = now
        self._control = _ControlLane()
        self._audio = _AudioLane()
        self._video = _VideoLane()
        self._closed = False
        self._overflow_since: float | None = None
        self._unannounced = 0
        """Pieces of PCM that were put since the writer was woken, or took something."""
        self._filled = threading.Condition(threading.Lock())

    def put_control(self, frame: Frame, coalesce_key: str | None = None) -> bool:
        """Queue an event; telemetry has a `coalesce_key`. False if this frame was dropped."""
        with self._filled:
            return not self._closed and self._woken(self._control.put(frame, coalesce_key))

    def hold_audio(self, user: Hashable, news: News) -> None:
        """Keep back what is put for `user` from now on, until `release_audio` says that the news are queued.

        News travel through actors and PCM does not. After 250 ms, or with 512 KiB, the PCM goes without them.
        """
        with self._filled:
            if not self._closed:
                self._audio.hold(user, news, self._now() + HOLD_S)

    def release_audio(self, user: Hashable, news: News) -> None:
        """Say that the news were put: PCM that waited for nothing else follows them, in its order."""
        with self._filled:
            self._audio.release(user, news)
            self._filled.notify()

    def put_audio(self, stream: Hashable, frame: bytearray, duration_ms: float, user: Hashable = None) -> bool:
        """Queue captured PCM of `stream` (a user's capture). False if this frame was dropped, and wiped.

        The writer need not notice before `wake_writer`, or before something else is put.
        """
        duration_us = round(duration_ms * 1000)
        with self._filled:
            queued = not self._closed and self._audio.put_pcm(stream, frame, duration_us, user)
            self._unannounced += queued
            if self._unannounced >= UNANNOUNCED_PIECES:
                self._unannounced = 0
                self._filled.notify()
        if not queued:
            wipe(frame)
        return queued

    def wake_writer(self) -> None:
        """Let the writer have the PCM that was put: whoever reads datagrams says so when it has read all there are."""
        if self._unannounced:
            with self._filled:
                self._unannounced = 0
                self._filled.notify()

    def put_marker(self, frame: Frame, user: Hashable = None) -> bool:
        """Queue the end of an utterance of `user` behind its PCM. False if this frame was dropped."""
        with self._filled:
            return not self._closed and self._woken(self._audio.put_marker(frame, user))

    def put_video(self, frame: Frame) -> bool:
        """Queue a picture. False if an older one had to go for it."""
        with self._filled:
            return not self._closed and self._woken(self._video.put(frame))

    def take(self, timeout_s: float) -> Frame | None:
        """Return the next frame, or None if none came in time or none will come any more. The writer's thread."""
        with self._filled:
            self._audio.release_overdue(self._now())
            if not self._closed and self._is_empty():
                self._filled.wait(self._until_hold_ends(timeout_s))
                self._audio.release_overdue(self._now())
            self._unannounced = 0  # the writer is awake, and asks again before it sleeps
            for lane in (self._control, self._audio, self._video):
                if lane.items:
                    return lane.take()
            return None

    def close(self) -> None:
        """Refuse further frames; what is queued can still be taken. Any thread."""
        with self._filled:
            self._closed = True
            self._audio.release_overdue(float("inf"))
            self._filled.notify_all()

    def discard(self) -> None:
        """Close, and wipe all that is still queued: nobody will read it. Any thread."""
        self.close()
        while (frame := self.take(0.0)) is not None:
            wipe(frame)

    @property
    def is_finished(self) -> bool:
        """Whether the outbox was closed and everything was taken."""
        with self._filled:
            return self._closed and self._is_empty()

    def control_overflow_since(self, now: float) -> float | None:
        """Return since when every look found the control lane over its event count, or None.

        The owner looks at every tick, and ends the process when it has been so for too long.
        """
        with self._filled:
            if not self._control.is_over:
                self._overflow_since = None
            elif self._overflow_since is None:
                self._overflow_since = now
            return self._overflow_since

    def counters(self) -> OutboxCounters:
        """Return a consistent snapshot. Any thread."""
        with self._filled:
            return OutboxCounters(
                control_depth=len(self._control.items),
                audio_depth=self._audio.depth,
                video_depth=len(self._video.items),
                control_dropped_telemetry=self._control.dropped_telemetry,
                control_dropped_full=self._control.dropped_full,
                audio_dropped_stream_full=self._audio.dropped_stream_full,
                audio_dropped_lane_full=self._audio.dropped_lane_full,
                audio_dropped_markers=self._audio.dropped_markers,
                video_dropped=self._video.dropped,
            )

    def _until_hold_ends(self, timeout_s: float) -> float:
        held_until = self._audio.held_until
        return timeout_s if held_until is None else min(timeout_s, held_until - self._now())

    def _woken(self, result: bool) -> bool:
        """Wake the writer and return `result`; the lock is held."""
        self._filled.notify()
        return result

    def _is_empty(self) -> bool:
        return not (self._control.items or self._audio.items or self._video.items)
