"""How much pictures change: what a viewer needs to know whether a look is worth while."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

COLUMNS: Final = 64
ROWS: Final = 36
SCENE_CUT: Final = 0.40
_EMA_WEIGHT: Final = 0.35
_FULL_SPAN: Final = 255.0
_LIMITED_SPAN: Final = 219.0
"""Luma steps between black and white in video of limited range (ITU-R BT.601)."""


class ChangeScore(NamedTuple):
    """Of the pictures since the last one that was shown, 0 to 1."""

    score: float
    """The largest mean difference of luma between two pictures in a row."""
    ema: float
    """Moving average over all pictures."""
    is_scene_cut: bool


class ChangeMeter:
    """Compares each picture of one stream with the one before, on a grid of 64 x 36 samples. Not thread-safe."""

    def __init__(self) -> None:
        self._grid: npt.NDArray[np.int16] | None = None
        self._largest = 0.0
        self._ema = 0.0

    def observe(self, luma: npt.NDArray[np.uint8], *, full_range: bool = False) -> None:
        """Take the next picture's luma, shape (height, width); its size may differ from the last one's."""
        height, width = luma.shape
        rows = (np.arange(ROWS) * height + height // 2) // ROWS
        columns = (np.arange(COLUMNS) * width + width // 2) // COLUMNS
        grid = luma[np.ix_(rows, columns)].astype(np.int16)
        if self._grid is not None:
            span = _FULL_SPAN if full_range else _LIMITED_SPAN
            score = min(float(np.abs(grid - self._grid).mean()) / span, 1.0)
            self._largest = max(self._largest, score)
            self._ema += _EMA_WEIGHT * (score - self._ema)
        self._grid = grid

    def take(self) -> ChangeScore:
        """Return the score of the picture that is shown now, and begin anew for the next one."""
        score, self._largest = self._largest, 0.0
        return ChangeScore(score, self._ema, score >= SCENE_CUT)

    def reset(self) -> None:
        """Forget the past: the decoder begins anew."""
        self._grid = None
        self._largest = self._ema = 0.0
