"""Pictures that the parent captures from a browser: shown when they come, timed by their capture.

The actor offers, the publish worker pulls; between them a deque of four, whose operations are atomic.
"""

from collections import deque
from typing import Final, NamedTuple

from clankvox.media.picture_source import Item, Pulled, TimedPicture
from clankvox.media.png_picture import CheckedPng, PngDecoder, PngRefused, checked_png

QUEUE_PICTURES: Final = 4
_SHORTEST_STEP_MS: Final = 1
_LONGEST_STEP_MS: Final = 5_000
_DEFAULT_STEP_S: Final = 1 / 30
"""For captures without a time: 3,000 ticks of 90 kHz."""


class _Offered(NamedTuple):
    png: CheckedPng
    captured_at_ms: int


class BrowserPictures:
    """A live PictureSource without sound. Media time advances by 1 ms to 5 s a picture, as the captures say."""

    live = True
    has_sound = False

    def __init__(self) -> None:
        self._queue: deque[_Offered] = deque(maxlen=QUEUE_PICTURES)
        self._decoder = PngDecoder()
        self._last_captured_ms = 0
        self._media_time_s: float | None = None
        self._pushed_out = self._damaged = 0

    @property
    def left_out(self) -> int:
        """How many were pushed out by newer ones, or damaged. Any thread."""
        return self._pushed_out + self._damaged

    def offer(self, png: bytes, captured_at_ms: int) -> None:
        """Queue a picture; the oldest of more than four is dropped. PngRefused if it may not be decoded. Any thread."""
        checked = checked_png(png)
        if len(self._queue) == QUEUE_PICTURES:
            self._pushed_out += 1
        self._queue.append(_Offered(checked, captured_at_ms))

    def forget(self) -> None:
        """Drop what is queued: the source was held, and nobody wants to see what was captured before. Any thread."""
        self._queue.clear()

    def pull(self) -> Item:
        """Return the next picture that can be decoded, or WAITING. Publish worker."""
        while True:
            try:
                offered = self._queue.popleft()
            except IndexError:
                return Pulled.WAITING
            try:
                picture = self._decoder.decode(offered.png)
            except PngRefused:
                self._damaged += 1
                continue
            return TimedPicture(picture, self._advance(offered.captured_at_ms))

    def interrupt(self) -> None:
        """Do nothing: `pull` never blocks."""

    def close(self) -> None:
        """Drop everything."""
        self.forget()

    def _advance(self, captured_at_ms: int) -> float:
        if self._media_time_s is None:
            self._media_time_s = 0.0
        elif not captured_at_ms or not self._last_captured_ms:
            self._media_time_s += _DEFAULT_STEP_S
        else:
            step_ms = captured_at_ms - self._last_captured_ms
            self._media_time_s += min(max(step_ms, _SHORTEST_STEP_MS), _LONGEST_STEP_MS) / 1000
        self._last_captured_ms = captured_at_ms
        return self._media_time_s
