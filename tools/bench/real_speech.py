"""People who speak, for as long as one likes: the sentences that come with the demo."""

import itertools
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

import clankvox.demo
from clankvox.demo import sound

_FOLDER: Final = Path(clankvox.demo.__file__).parent / "speech"
_LEVELS: Final = (1.0, 0.5, 0.8, 0.35)
_SHORTEST_S: Final = 1.0

Mono = NDArray[np.int16]


def sentences(seconds: float, rate_hz: int = 48_000) -> list[Mono]:
    """Return sentences of 3 to 5.5 s, int16 mono, each at another level, `seconds` in all; the last one may be cut."""
    spoken = itertools.cycle([sound.load(path, rate_hz) for path in sorted(_FOLDER.glob("*.g722"))])
    levels = itertools.cycle(_LEVELS)
    said: list[Mono] = []
    wanted = round(seconds * rate_hz)
    while wanted > _SHORTEST_S * rate_hz:
        said.append(np.rint(next(spoken)[:wanted] * next(levels)).astype(np.int16))
        wanted -= len(said[-1])
    return said
