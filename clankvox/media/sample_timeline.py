"""Where in a track a decoded sample belongs, to the sample, also after the source was opened anew.

Within one opening samples are counted. After a seek the first frame's time stamp says where it is; a container with
coarse time stamps (1 ms in WebM) says so only roughly, but codecs with frames of one size put them on a grid, and the
grid is known from before.
"""

from typing import Final

_SNAP_S: Final = 0.0025
"""A time stamp rounded to 1 ms, beside a first frame of which the decoder dropped a part, is off by up to 1.5 ms."""


class SampleTimeline:
    """Counts samples at the source's rate. Not thread-safe."""

    def __init__(self, rate_hz: int, position: int = 0) -> None:
        """`position` is the first sample that is wanted."""
        self.rate_hz = rate_hz
        self.position = position
        """Samples before this one were delivered, or are not wanted."""
        self._cursor: int | None = None
        self._frame_samples = 0
        self._uniform = True
        self._grid_end = 0

    def continued(self, rate_hz: int) -> "SampleTimeline":
        """Return a timeline at the same instant for a source that goes on at another rate."""
        return SampleTimeline(rate_hz, round(self.position * rate_hz / self.rate_hz))

    def jump(self) -> None:
        """Say that the source was opened anew or sought: the next frame's time stamp says where it is."""
        self._cursor = None

    def go_on(self) -> None:
        """Say that the source was opened anew and is live: its next frame follows what was delivered last."""
        self._cursor = self.position

    def before(self, time_s: float) -> bool:
        """Whether `time_s` lies before what is wanted, in a source that was opened anew and not yet heard."""
        return self._cursor is None and time_s * self.rate_hz < self.position

    def place(self, time_s: float | None, samples: int, coarse: bool) -> int:
        """Put the next frame onto the line; returns how many of its samples at the front are not wanted.

        `time_s` is its time stamp from the track's beginning (None: it has none), which counts after a `jump`;
        `coarse` says that time stamps are less exact than a sample.
        """
        begin = self._cursor
        if begin is None:
            begin = self.position if time_s is None else self._index(time_s, samples, coarse)
        else:
            self._learn(samples, begin + samples)  # the first frame after a jump may have lost its beginning
        self._cursor = begin + samples
        unwanted = min(max(self.position - begin, 0), samples)
        self.position = max(self.position, self._cursor)
        return unwanted

    def missing(self, time_s: float | None, samples: int, coarse: bool) -> int:
        """Return how many wanted samples lie before the next frame, if it is the first after a jump."""
        if self._cursor is not None or time_s is None:
            return 0
        return max(self._index(time_s, samples, coarse) - self.position, 0)

    def _index(self, time_s: float, samples: int, coarse: bool) -> int:
        estimate = round(time_s * self.rate_hz)
        if not coarse or not self._uniform or not self._frame_samples:
            return estimate
        # frames end on the grid, also those of which the decoder dropped the beginning
        steps = round((estimate + samples - self._grid_end) / self._frame_samples)
        snapped = self._grid_end + steps * self._frame_samples - samples
        return snapped if abs(snapped - estimate) <= _SNAP_S * self.rate_hz else estimate

    def _learn(self, samples: int, end: int) -> None:
        self._frame_samples = self._frame_samples or samples
        self._uniform &= samples == self._frame_samples
        self._grid_end = end
