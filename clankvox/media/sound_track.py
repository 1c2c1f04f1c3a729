"""The sound of a container as 48 kHz stereo with media times."""

from collections.abc import Iterator
from typing import Final, Self

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from clankvox.media.pcm import RATE_HZ, Stereo
from clankvox.media.picture_source import TimedSound

_RESYNC_S: Final = 0.040
"""Up to here samples are counted, so that rounded timestamps leave no gaps; beyond, the container has one."""


class SoundTrack:
    """Decoded frames in, timed samples out. Not thread-safe: the publish worker owns it."""

    def __init__(self, stream: AudioStream) -> None:
        self.stream = stream
        self._resampler: AudioResampler | None = None
        self._shape: tuple[str, str, int] | None = None
        self._next_s: float | None = None

    @classmethod
    def of(cls, container: InputContainer) -> Self | None:
        """Return the container's best audio stream, or None."""
        stream = container.streams.best("audio")
        return cls(stream) if isinstance(stream, AudioStream) else None

    def timed(self, frame: AudioFrame) -> Iterator[TimedSound]:
        """Yield what `frame` gives at 48 kHz; the resampler keeps up to a millisecond for the next."""
        said_s = frame.time
        if self._next_s is None or (said_s is not None and abs(said_s - self._next_s) > _RESYNC_S):
            self._next_s = said_s if said_s is not None else 0.0
        for part in self.resampled(frame):
            pcm = samples_of(part)
            yield TimedSound(pcm, self._next_s)
            self._next_s += len(pcm) / RATE_HZ

    def resampled(self, frame: AudioFrame) -> list[AudioFrame]:
        """Return `frame` as s16 stereo frames of 48 kHz; a stream may change its shape midway."""
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or shape != self._shape:
            self._shape = shape
            self._resampler = AudioResampler(format="s16", layout="stereo", rate=RATE_HZ)
        frame.pts = None
        return self._resampler.resample(frame)


def samples_of(frame: AudioFrame) -> Stereo:
    """Return the samples of a packed s16 stereo frame as shape (n, 2)."""
    return np.ascontiguousarray(frame.to_ndarray().reshape(-1, 2))
