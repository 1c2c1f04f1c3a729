"""Decoded frames of any rate, format and layout to 48 kHz stereo int16, as one stream (libswresample by PyAV)."""

from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from clankvox.media.pcm import Stereo

RATE_HZ: Final = 48_000
_CHANNELS: Final = 2


class TrackResampler:
    """Keeps its filter's state across frames, and across openings of the source, so that neither leaves a trace.

    Mono sounds on both channels at its own level (libswresample alone would take 3 dB off). Not thread-safe.
    """

    def __init__(self) -> None:
        self._resampler: av.AudioResampler | None = None
        self._shape: tuple[int, str, str] | None = None
        self._mono = False

    def convert(self, frame: av.AudioFrame, unwanted: int) -> Stereo:
        """Convert `frame` without its first `unwanted` samples; returns what is ready, shape (n, 2), maybe empty."""
        if unwanted:
            frame = _without(frame, unwanted)
        shape = (frame.sample_rate, frame.format.name, frame.layout.name)
        ended = self.finish() if shape != self._shape else _EMPTY
        if self._resampler is None:
            self._mono = frame.layout.nb_channels == 1
            self._shape = shape
            self._resampler = av.AudioResampler("s16", "mono" if self._mono else "stereo", RATE_HZ)
        frame.pts = None  # its own count: time stamps may jump where samples do not
        return np.concatenate([ended, self._collect(self._resampler.resample(frame))])

    def finish(self) -> Stereo:
        """Return what the filter holds back; the next frame begins a new stream."""
        if self._resampler is None:
            return _EMPTY
        tail = self._collect(self._resampler.resample(None))
        self._resampler = self._shape = None
        return tail

    def _collect(self, frames: list[av.AudioFrame]) -> Stereo:
        if not frames:
            return _EMPTY
        channels = 1 if self._mono else _CHANNELS
        joined: Stereo = np.concatenate([frame.to_ndarray().reshape(-1, channels) for frame in frames])
        return np.repeat(joined, _CHANNELS, axis=1) if self._mono else joined


_EMPTY: Final[Stereo] = np.empty((0, _CHANNELS), np.int16)


def _without(frame: av.AudioFrame, unwanted: int) -> av.AudioFrame:
    samples: NDArray[Any] = frame.to_ndarray()
    step = 1 if frame.format.is_planar else frame.layout.nb_channels
    kept = np.ascontiguousarray(samples[:, unwanted * step :])
    shorter = av.AudioFrame.from_ndarray(kept, format=frame.format.name, layout=frame.layout.name)
    shorter.sample_rate = frame.sample_rate
    return shorter
