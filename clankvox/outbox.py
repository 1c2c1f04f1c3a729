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
from typing import Final, NamedTuple

from clankvox.audio_lane import HOLD_S, AudioLane, Frame, News

CONTROL_EVENTS: Final = 4_096
CONTROL_BYTES: Final = 32 * 1024 * 1024
UNANNOUNCED_PIECES: Final = 32
"""Pieces of PCM that may wait until the writer is woken.

More than a batch of datagrams usually brings: whoever reads them writes their PCM behind each batch, and a writer that
was woken meanwhile would only wait for the GIL.
"""
VIDEO_PICTURES: Final = 64
VIDEO_BYTES: Final = 64 * 1024 * 1024


def wipe(frame: Frame) -> None:
    """Zero `frame` if it can be."""
    if isinstance(frame, bytearray):
        frame[:] = bytes(len(frame))


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
        self._audio = AudioLane()
        self._video = _VideoLane()
        self._closed = False
        self._overflow_since: float | None = None
        self._unannounced = 0
        """Pieces of PCM that were put since the writer was woken, or took something."""
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)

    def put_control(self, frame: Frame, coalesce_key: str | None = None) -> bool:
        """Queue an event; telemetry has a `coalesce_key`. False if this frame was dropped."""
        with self._lock:
            return not self._closed and self._woken(self._control.put(frame, coalesce_key))

    def hold_audio(self, user: Hashable, news: News) -> None:
        """Keep back what is put for `user` from now on, until `release_audio` says that the news are queued.

        News travel through actors and PCM does not. After 250 ms, or with 512 KiB, the PCM goes without them.
        """
        with self._lock:
            if not self._closed:
                self._audio.hold(user, news, self._now() + HOLD_S)

    def release_audio(self, user: Hashable, news: News) -> None:
        """Say that the news were put: PCM that waited for nothing else follows them, in its order."""
        with self._lock:
            self._audio.release(user, news)
            self._filled.notify()

    def put_audio(self, stream: Hashable, frame: bytearray, duration_ms: float, user: Hashable = None) -> bool:
        """Queue captured PCM of `stream` (a user's capture). False if this frame was dropped, and wiped.

        The writer need not notice before `wake_writer`, or before something else is put.
        """
        duration_us = round(duration_ms * 1000)
        with self._lock:
            queued = not self._closed and self._audio.put_pcm(stream, frame, duration_us, user)
            self._unannounced += queued
            if self._unannounced >= UNANNOUNCED_PIECES:
                self._unannounced = 0
                self._filled.notify()
        if not queued:
            wipe(frame)
        return queued

    def has_unannounced(self) -> bool:
        """Whether there is PCM of which the writer's thread need not know yet. Any thread."""
        return self._unannounced > 0

    def wake_writer(self) -> None:
        """Let the writer have the PCM that was put: whoever reads datagrams says so when it has read all there are."""
        if self._unannounced:
            with self._lock:
                self._unannounced = 0
                self._filled.notify()

    def put_marker(self, frame: Frame, user: Hashable = None) -> bool:
        """Queue the end of an utterance of `user` behind its PCM. False if this frame was dropped."""
        with self._lock:
            return not self._closed and self._woken(self._audio.put_marker(frame, user))

    def put_video(self, frame: Frame) -> bool:
        """Queue a picture. False if an older one had to go for it."""
        with self._lock:
            return not self._closed and self._woken(self._video.put(frame))

    def wait(self, timeout_s: float) -> bool:
        """Sleep until something can be taken, or so long; False if nothing will come any more. The writer's thread."""
        with self._lock:
            self._wait(timeout_s)
            return not (self._closed and self._is_empty())

    def take(self, timeout_s: float) -> Frame | None:
        """Return the next frame, or None if none came in time or none will come any more. The writer's thread."""
        with self._lock:
            self._wait(timeout_s)
            self._unannounced = 0  # the writer is awake, and asks again before it sleeps
            for lane in (self._control, self._audio, self._video):
                if lane.items:
                    return lane.take()
            return None

    def take_audio(self, most_bytes: int) -> Frame | None:
        """Return the next PCM or marker, if nothing has to go before it and it is no longer than that. Any thread.

        Whoever takes has written all that was taken before; the writer's thread sleeps on if nothing is left.
        """
        with self._lock:
            items = self._audio.items
            if self._control.items or not items or len(items[0].frame) > most_bytes:
                return None
            frame = self._audio.take()
            if not items:
                self._unannounced = 0
            return frame

    def close(self) -> None:
        """Refuse further frames; what is queued can still be taken. Any thread."""
        with self._lock:
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
        with self._lock:
            return self._closed and self._is_empty()

    def control_overflow_since(self, now: float) -> float | None:
        """Return since when every look found the control lane over its event count, or None.

        The owner looks at every tick, and ends the process when it has been so for too long.
        """
        with self._lock:
            if not self._control.is_over:
                self._overflow_since = None
            elif self._overflow_since is None:
                self._overflow_since = now
            return self._overflow_since

    def counters(self) -> OutboxCounters:
        """Return a consistent snapshot. Any thread."""
        with self._lock:
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

    def _wait(self, timeout_s: float) -> None:
        self._audio.release_overdue(self._now())
        if timeout_s and not self._closed and self._is_empty():
            self._filled.wait(self._until_hold_ends(timeout_s))
            self._audio.release_overdue(self._now())

    def _until_hold_ends(self, timeout_s: float) -> float:
        held_until = self._audio.held_until
        return timeout_s if held_until is None else min(timeout_s, held_until - self._now())

    def _woken(self, result: bool) -> bool:
        """Wake the writer and return `result`; the lock is held."""
        self._filled.notify()
        return result

    def _is_empty(self) -> bool:
        return not (self._control.items or self._audio.items or self._video.items)
