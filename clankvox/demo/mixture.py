"""What the listener heard of the music: how loud it was alone, under our speech, and after it."""

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clankvox.demo import alignment, sound, spectrogram
from clankvox.demo.plan import Plan
from clankvox.demo.sound import SAMPLE_RATE_HZ, Mono

FADE_IN_S: Final = 1.5
"""Of the contract: until then music that begins is not at its full gain."""
_MARGIN_S: Final = 0.2
_RAMP_S: Final = 0.5
"""Ducking has come or gone after this."""
_AFTER_S: Final = 0.8
_SHORTEST_S: Final = 0.3
_STRETCH_SAMPLES: Final = SAMPLE_RATE_HZ // 5
_AROUND_SAMPLES: Final = SAMPLE_RATE_HZ * 3 // 10
_PIECE_SAMPLES: Final = SAMPLE_RATE_HZ // 10
_SLIPS_SAMPLES: Final = [slots * SAMPLE_RATE_HZ // 50 for slots in range(-15, 16)]
"""What is heard is late by another slot from each one on that a busy machine missed."""


class Mixture(NamedTuple):
    """Gains of the music in dB, None where it cannot be told: for want of an original, or of sound."""

    heard_s: float
    alone_db: float | None
    under_db: float | None
    after_db: float | None
    heard_file: Path
    picture: Path | None


def measure(plan: Plan) -> Mixture:
    """Compare the listener's recording with the music and the speech, and draw it."""
    path = plan.heard_music
    try:
        heard = sound.load(path)
    except sound.NoSound:
        return Mixture(0.0, None, None, None, path, None)
    picture = path.with_suffix(".png")
    spectrogram.save_png(picture, spectrogram.render(heard, "Music, and speech above it, as a member heard it"))
    heard_s = len(heard) / SAMPLE_RATE_HZ
    if plan.tune.original is None:
        return Mixture(heard_s, None, None, None, path, picture)
    said = sound.load(plan.said("clankvox"))
    return Mixture(heard_s, *gains_db(plan.tune.original, said, heard), path, picture)


def gains_db(music: Mono, said: Mono, heard: Mono) -> tuple[float | None, float | None, float | None]:
    """Return the gain of `music` in `heard` before, under and after `said`, all mono at 48 kHz."""
    begin_s = alignment.align(said, heard).delay_ms / 1000
    end_s = begin_s + len(said) / SAMPLE_RATE_HZ
    alone = _window(FADE_IN_S + _MARGIN_S, begin_s - _MARGIN_S)
    if alone is None:
        return None, None, None
    shift = _shift(music, heard, alone)
    speech_there = _placed(said, round(begin_s * SAMPLE_RATE_HZ), len(heard))
    placed = [np.stack((_placed(music, shift + late, len(heard)), speech_there), axis=1) for late in _SLIPS_SAMPLES]
    under = _window(begin_s + _RAMP_S, end_s - _MARGIN_S)
    after = _window(end_s + _RAMP_S, min(end_s + _RAMP_S + _AFTER_S, len(heard) / SAMPLE_RATE_HZ))
    alone_db, under_db, after_db = (_gain_db(placed, heard, part) for part in (alone, under, after))
    return alone_db, under_db, after_db


def _window(begin_s: float, end_s: float) -> slice | None:
    if end_s - begin_s < _SHORTEST_S:
        return None
    return slice(round(begin_s * SAMPLE_RATE_HZ), round(end_s * SAMPLE_RATE_HZ))


def _shift(music: Mono, heard: Mono, alone: slice) -> int:
    """Return where the music would begin, in samples, going by the stretch of `alone` that fits best."""
    found = []
    for start in range(alone.start, alone.stop - _STRETCH_SAMPLES + 1, _STRETCH_SAMPLES):
        sought = music[start : start + _STRETCH_SAMPLES]
        first = max(0, start - _AROUND_SAMPLES)
        there = alignment.align(sought, heard[first : start + _STRETCH_SAMPLES + _AROUND_SAMPLES])
        found.append((there.snr_db, first + round(there.delay_ms * SAMPLE_RATE_HZ / 1000) - start))
    return max(found)[1]


def _placed(samples: Mono, start: int, length: int) -> NDArray[np.float64]:
    """Return `length` samples of silence with `samples` in it from `start` on, which may be before the beginning."""
    whole = np.zeros(length)
    first, last = max(start, 0), min(start + len(samples), length)
    if first < last:
        whole[first:last] = samples[first - start : last - start]
    return whole


def _gain_db(placed: list[NDArray[np.float64]], heard: Mono, part: slice | None) -> float | None:
    """Return by how much of the music, beside how much of the speech, what was heard is best explained.

    `placed` has both as columns, the music late by so many slots: each piece of it is taken where it explains most.
    """
    if part is None or not placed[0][part, 0].any():
        return None
    shares = []
    for begin in range(part.start, part.stop - _PIECE_SAMPLES + 1, _PIECE_SAMPLES):
        piece = slice(begin, begin + _PIECE_SAMPLES)
        wanted = heard[piece].astype(np.float64)
        fits = [np.linalg.lstsq(columns[piece], wanted, rcond=None)[0] for columns in placed]
        left = [
            float(np.square(wanted - columns[piece] @ fit).sum()) for columns, fit in zip(placed, fits, strict=True)
        ]
        shares.append(float(fits[int(np.argmin(left))][0]))
    return float(20 * np.log10(max(float(np.median(shares)), 1e-6)))
