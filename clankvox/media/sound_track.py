"""The sound of a container as 48 kHz stereo with media times."""

from collections.abc import Iterator
from typing import Final, Self

from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer

from clankvox.media.media_continuity import TimeBase
from clankvox.media.pcm import RATE_HZ, Stereo
from clankvox.media.picture_source import TimedSound
from clankvox.media.track_resampler import TrackResampler

_RESYNC_S: Final = 0.040
"""Up to here samples are counted, so that rounded timestamps leave no gaps; beyond, the container has one."""


class SoundTrack:
    """Decoded frames in, timed samples out. Not thread-safe: the publish worker owns it."""

    def __init__(self, stream: AudioStream, base: TimeBase | None = None) -> None:
        """Share `base` with the pictures beside it, if there are any."""
        self.stream = stream
        self._base = base or TimeBase()
        self._offset_s = 0.0
        self._resampler = TrackResampler()
        self._next_s: float | None = None

    @classmethod
    def of(cls, container: InputContainer, base: TimeBase | None = None) -> Self | None:
        """Return the container's best audio stream, or None."""
        stream = container.streams.best("audio")
        return cls(stream, base) if isinstance(stream, AudioStream) else None

    def timed(self, frame: AudioFrame) -> Iterator[TimedSound]:
        """Yield what `frame` gives at 48 kHz; the resampler keeps up to a millisecond for the next."""
        said_s = self._said_s(frame.time)
        if self._next_s is None or abs(said_s - self._next_s) > _RESYNC_S:
            self._next_s = said_s
        return self._given(self._resampler.convert(frame, 0))

    def end(self) -> Iterator[TimedSound]:
        """Yield what the resampler has kept: no frame follows."""
        return self._given(self._resampler.finish())

    def _said_s(self, time_s: float | None) -> float:
        """Media time that the container says, or what follows if it does not."""
        if time_s is None:
            return self._next_s or 0.0
        if self._next_s is not None:
            self._offset_s = self._base.offset_of(time_s, self._offset_s, self._next_s)
        return time_s + self._offset_s

    def _given(self, pcm: Stereo) -> Iterator[TimedSound]:
        if len(pcm) and self._next_s is not None:
            yield TimedSound(pcm, self._next_s)
            self._next_s += len(pcm) / RATE_HZ
