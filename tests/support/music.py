"""Music for tests of the mix: tones whose every discontinuity shows, in a track's buffer."""

import numpy as np

from clankvox.media.track_buffer import TrackBuffer

SLOPE_1_KHZ = 2 * np.pi * 1_000 / 48_000
"""Most that a 1 kHz tone of amplitude 1 moves from one sample to the next."""


def stereo_tone(
    samples: int, *, amplitude: float = 8_000, left_hz: float = 1_013, right_hz: float = 717, first: int = 0
):
    """Different tones left and right; `first` lets a tone go on where another array ended.

    They are no multiples of 50 Hz, which would be at zero wherever a frame begins and so hide every step there.
    """
    at = np.arange(first, first + samples) / 48_000
    both = np.stack((np.sin(2 * np.pi * left_hz * at), np.sin(2 * np.pi * right_hz * at)), axis=1)
    return np.rint(amplitude * both).astype(np.int16)


def filled(pcm: np.ndarray, *, finish: bool = True) -> TrackBuffer:
    """A buffer that holds all of `pcm`."""
    buffer = TrackBuffer(capacity_ms=len(pcm) // 48 + 1)
    assert buffer.put_now(pcm)
    if finish:
        buffer.finish()
    return buffer


def steepest(samples: np.ndarray) -> float:
    """Largest step from one sample to the next, on either channel."""
    return float(np.abs(np.diff(samples.astype(np.float64), axis=0)).max())
