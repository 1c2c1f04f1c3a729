"""Music to play: stereo, coded as most of what comes from the network is."""

from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np

RATE_HZ: Final = 48_000
_FRAME_SAMPLES: Final = 960
_CHORD_HZ: Final = ((220.0, 277.2, 329.6), (440.0, 554.4, 659.3))


def write(path: Path, seconds: float) -> Path:
    """Write `seconds` of two chords, left and right, as Opus in Ogg."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libopus", rate=RATE_HZ, layout="stereo")
        stream.bit_rate = 128_000
        for start in range(0, round(seconds * RATE_HZ), _FRAME_SAMPLES):
            at_s = np.arange(start, start + _FRAME_SAMPLES) / RATE_HZ
            sides = [sum(np.sin(2 * np.pi * hz * at_s) for hz in chord) for chord in _CHORD_HZ]
            pcm = np.rint(np.stack(sides, axis=1) * 3_000).astype(np.int16).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, start, Fraction(1, RATE_HZ)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
