"""A picture of a stream: time to the right, frequency up to 12 kHz, brightness in dB below the loudest point."""

from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from clankvox.demo import lettering
from clankvox.demo.lettering import Colour, Picture
from clankvox.demo.sound import SAMPLE_RATE_HZ, Mono

RANGE_DB: Final = 80.0
_TOP_HZ: Final = 12_000
_WINDOW_SAMPLES: Final = 1024
_PLOT_WIDTH: Final = 960
_PLOT_HEIGHT: Final = 320
_LEFT, _TOP, _RIGHT, _BOTTOM = 64, 40, 24, 32
_TITLE_SCALE: Final = 2
_TICK_PIXELS: Final = 5
_BACKGROUND: Final[Colour] = (18, 18, 24)
_INK: Final[Colour] = (225, 225, 230)
_ANCHORS: Final = ((0, 0, 8), (45, 16, 96), (130, 36, 118), (215, 72, 82), (250, 160, 50), (255, 250, 200))
"""From silence to the loudest point, evenly spaced."""


def levels_db(samples: Mono, rate_hz: int = SAMPLE_RATE_HZ, columns: int = _PLOT_WIDTH) -> NDArray[np.float64]:
    """Return the short-time spectrum below the loudest point in dB, shape (bins from 0 Hz up, columns)."""
    window = np.hanning(_WINDOW_SAMPLES)
    padded = np.pad(samples.astype(np.float64), _WINDOW_SAMPLES // 2)
    starts = np.linspace(0, max(len(samples) - 1, 0), columns).astype(int)
    # a view on overlapping windows, of which each column takes one: nothing is copied but these
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW_SAMPLES)[starts]
    power = np.square(np.abs(np.fft.rfft(frames * window, axis=1))).T
    shown = power[: int(_TOP_HZ * _WINDOW_SAMPLES / rate_hz) + 1]
    loudest = max(float(shown.max()), 1.0)
    return np.asarray(10 * np.log10(np.maximum(shown / loudest, 10 ** (-RANGE_DB / 10))))


def render(samples: Mono, title: str, rate_hz: int = SAMPLE_RATE_HZ) -> Picture:
    """Draw the spectrogram with a title, seconds below and kHz on the left."""
    picture = np.empty((_TOP + _PLOT_HEIGHT + _BOTTOM, _LEFT + _PLOT_WIDTH + _RIGHT, 3), np.uint8)
    picture[:] = _BACKGROUND
    levels = levels_db(samples, rate_hz)
    bins = np.linspace(levels.shape[0] - 1, 0, _PLOT_HEIGHT).round().astype(int)
    picture[_TOP : _TOP + _PLOT_HEIGHT, _LEFT : _LEFT + _PLOT_WIDTH] = _coloured(levels[bins])
    lettering.write(picture, title, _LEFT, (_TOP - lettering.HEIGHT * _TITLE_SCALE) // 2, _INK, _TITLE_SCALE)
    _mark_frequencies(picture)
    _mark_time(picture, len(samples) / rate_hz)
    return picture


def save_png(path: Path, picture: Picture) -> None:
    """Write an RGB picture as PNG."""
    encoder = av.CodecContext.create("png", "w")
    encoder.height, encoder.width = picture.shape[:2]
    encoder.pix_fmt = "rgb24"
    encoder.time_base = Fraction(1)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    frame.pts = 0
    path.write_bytes(b"".join(map(bytes, [*encoder.encode(frame), *encoder.encode(None)])))


def _coloured(levels: NDArray[np.float64]) -> Picture:
    share = np.clip(levels / RANGE_DB + 1, 0, 1)
    anchors = np.array(_ANCHORS, float)
    places = np.linspace(0, 1, len(anchors))
    channels = [np.interp(share, places, anchors[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def _mark_frequencies(picture: Picture) -> None:
    for khz in range(0, _TOP_HZ // 1000 + 1, 2):
        y = _TOP + round((_PLOT_HEIGHT - 1) * (1 - khz * 1000 / _TOP_HZ))
        picture[y, _LEFT - _TICK_PIXELS : _LEFT] = _INK
        label = f"{khz} kHz"
        x = _LEFT - _TICK_PIXELS - 3 - lettering.width(label)
        lettering.write(picture, label, x, y - lettering.HEIGHT // 2, _INK)


def _mark_time(picture: Picture, duration_s: float) -> None:
    below = _TOP + _PLOT_HEIGHT
    step = next((step for step in (0.5, 1, 2, 5, 10, 30) if duration_s / step <= 12), 60)
    for second in np.arange(0, duration_s + 1e-9, step):
        x = _LEFT + round((_PLOT_WIDTH - 1) * float(second) / max(duration_s, 1e-9))
        picture[below : below + _TICK_PIXELS, x] = _INK
        label = f"{second:g} s"
        lettering.write(picture, label, x - lettering.width(label) // 2, below + _TICK_PIXELS + 4, _INK)
