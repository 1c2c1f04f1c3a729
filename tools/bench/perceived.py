"""How speech sounds to people, as ITU-T P.862.2 computes it (wideband PESQ, by the package `pesq`)."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from pesq import pesq

RATE_HZ: Final = 16_000
"""What wideband PESQ is defined for; it needs no resampling where PCM is captured at this rate."""
_LONGEST_S: Final = 12
"""P.862.3 asks for samples of 8 to 12 s; longer speech is scored in parts."""
_SHORTEST_S: Final = 1
_MOST_DB: Final = 96.0
"""What int16 can tell apart."""

Mono = NDArray[np.int16]


def mos(clean: Mono, heard: Mono) -> float:
    """Return the MOS-LQO of `heard` beside `clean`, int16 at 16 kHz: 1.0 (bad) to 4.64 (no difference).

    The mean over parts of equal length; PESQ finds shifts within a part by itself. A part without speech in it
    raises pesq.NoUtterancesError.
    """
    parts = max(1, -(-len(clean) // (_LONGEST_S * RATE_HZ)))
    if len(clean) < _SHORTEST_S * RATE_HZ:
        raise ValueError("less than a second cannot be judged")
    size = -(-len(clean) // parts)
    scores = [
        pesq(RATE_HZ, clean[start : start + size], heard[start : start + size], "wb")
        for start in range(0, len(clean), size)
    ]
    return float(np.mean(scores))


def snr_db(clean: Mono, heard: Mono) -> float:
    """Return by how much `clean` is louder than what `heard` differs from it, sample by sample; 96 dB if in nothing.

    One that is shorter is held against the beginning of the other.
    """
    size = min(len(clean), len(heard))
    signal = clean[:size].astype(np.float64)
    noise = float(np.square(signal - heard[:size]).sum())
    power = float(np.square(signal).sum())
    if not noise:
        return _MOST_DB
    return min(_MOST_DB, 10 * float(np.log10(power / noise))) if power else -_MOST_DB
