"""From the bytes of a parent to samples: s16le mono of any rate, cut anywhere, becomes one 48 kHz stream."""

from typing import Final

import numpy as np

from clankvox.errors import InvalidRequest
from clankvox.media.pcm import RATE_HZ, Mono
from clankvox.media.resample import StreamResampler

MIN_RATE_HZ: Final = 8_000
MAX_RATE_HZ: Final = 48_000
_EMPTY: Final[Mono] = np.zeros(0, np.int16)


class PcmIntake:
    """Resamples a stream of chunks, with state across their borders. Not thread-safe.

    A sample that is cut in two by a border is put together again. A chunk of another rate ends the stretch of the
    old rate, whose last samples come out before its own. The converter is kept: most parents know one rate.
    """

    __slots__ = ("_given", "_half_sample", "_rate_hz", "_resampler", "_resampler_rate_hz", "_taken")

    def __init__(self) -> None:
        self._half_sample = b""
        self._rate_hz = RATE_HZ
        self._resampler = StreamResampler(RATE_HZ, RATE_HZ, 1)
        self._resampler_rate_hz = RATE_HZ
        self._taken = 0
        self._given = 0

    @property
    def pending_samples(self) -> int:
        """48 kHz samples that the resampler still holds; `finish` gives exactly these."""
        return _resampled(self._taken, self._rate_hz) - self._given

    def whole_samples(self, pcm: bytes | bytearray) -> int:
        """How many samples `pcm` completes, at its own rate."""
        return (len(self._half_sample) + len(pcm)) // 2

    def pending_after(self, samples: int, rate_hz: int) -> int:
        """48 kHz samples that would be owed after taking `samples` of `rate_hz`, given out or not."""
        if rate_hz == self._rate_hz:
            return _resampled(self._taken + samples, rate_hz) - self._given
        return self.pending_samples + _resampled(samples, rate_hz)

    def fitting(self, room_samples: int, rate_hz: int) -> int:
        """How many samples of `rate_hz` can be taken so that no more than `room_samples` are owed afterwards."""
        if rate_hz == self._rate_hz:
            return max(0, (room_samples + self._given) * rate_hz // RATE_HZ - self._taken)
        return max(0, (room_samples - self.pending_samples) * rate_hz // RATE_HZ)

    def push(self, pcm: bytes | bytearray, rate_hz: int, limit_samples: int) -> Mono:
        """Take `pcm`, of it at most `limit_samples` of its rate, and return what is ready at 48 kHz.

        The rest of `pcm` is dropped; whatever happens, the next chunk begins at a whole sample or completes one.
        Raises InvalidRequest for a rate outside 8000 to 48000.
        """
        if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
            raise InvalidRequest("sampleRate must be 8000 to 48000")
        tail = self.finish_stretch() if rate_hz != self._rate_hz else _EMPTY
        self._rate_hz = rate_hz
        joined = self._half_sample + pcm
        whole = len(joined) & ~1
        self._half_sample = joined[whole:]
        samples = np.frombuffer(joined, "<i2", count=whole // 2)[:limit_samples].astype(np.int16, copy=False)
        ready = self._resample(samples)
        return np.concatenate((tail, ready)) if len(tail) else ready

    def finish_stretch(self) -> Mono:
        """Return what the resampler holds; the next chunk begins a new stretch. Half a sample stays."""
        tail: Mono = self._resampler.finish()[:, 0]
        self._forget_stretch()
        return tail

    def clear(self) -> None:
        """Forget everything."""
        self._half_sample = b""
        self._forget_stretch()

    def _forget_stretch(self) -> None:
        self._resampler.forget()
        self._taken = 0
        self._given = 0

    def _resample(self, samples: Mono) -> Mono:
        if self._resampler_rate_hz != self._rate_hz:
            self._resampler = StreamResampler(self._rate_hz, RATE_HZ, 1)
            self._resampler_rate_hz = self._rate_hz
        ready = self._resampler.push(samples[:, np.newaxis])[:, 0]
        self._taken += len(samples)
        self._given += len(ready)
        return ready


def _resampled(samples: int, rate_hz: int) -> int:
    """How many samples at 48 kHz `samples` of `rate_hz` make: the nearest count, halves upwards."""
    return (samples * RATE_HZ * 2 + rate_hz) // (2 * rate_hz)
