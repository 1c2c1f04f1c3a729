"""A test picture with a running clock: for people as digits, for machines as a bar code that survives a codec.

The bar code takes the top eighth of the picture: three rows of 32 cells, white for 1. Its place is a fraction of the
picture, so that it is found at any size.
"""

import zlib
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

MIN_WIDTH: Final = 160
MIN_HEIGHT: Final = 96
_ROWS: Final = 3
_COLUMNS: Final = 32
_CODE_SHARE: Final = 8
"""The code is an eighth of the picture high."""
_BLACK: Final = 16
_WHITE: Final = 235
"""The range of luma in video (ITU-R BT.601)."""
_MIDDLE: Final = (_BLACK + _WHITE) / 2
_COUNTER_BYTES: Final = 4
_TIME_BYTES: Final = 6
_BOX_SHARE: Final = 6
_SEED: Final = 20_260_101

Planes = NDArray[np.uint8]
"""A yuv420p picture in one array, shape (height * 3 // 2, width): luma, then both chroma planes."""
Luma = NDArray[np.uint8]
"""Shape (height, width)."""

_GLYPHS: Final = {
    "0": "###|#.#|#.#|#.#|###",
    "1": "..#|..#|..#|..#|..#",
    "2": "###|..#|###|#..|###",
    "3": "###|..#|###|..#|###",
    "4": "#.#|#.#|###|..#|..#",
    "5": "###|#..|###|..#|###",
    "6": "###|#..|###|#.#|###",
    "7": "###|..#|..#|..#|..#",
    "8": "###|#.#|###|#.#|###",
    "9": "###|#.#|###|..#|###",
    ":": "...|.#.|...|.#.|...",
    ".": "...|...|...|...|.#.",
    " ": "...|...|...|...|...",
}


class Stamp(NamedTuple):
    """What a picture says of itself: its number (u32) and when it was drawn, in ms of the drawer's clock (u48)."""

    counter: int
    time_ms: int


class ClockPicture:
    """Draws pictures of one size, the same stamp as the same picture, so that a receiver can compare. Thread-safe."""

    def __init__(self, width: int, height: int) -> None:
        """`width` and `height` are even, 160x96 at least; ValueError otherwise."""
        if width < MIN_WIDTH or height < MIN_HEIGHT or width % 2 or height % 2:
            raise ValueError("a clock needs an even size of 160x96 or more")
        self.width, self.height = width, height
        self._still = _background(width, height)

    def draw(self, stamp: Stamp) -> Planes:
        """Return the picture: a still background, a box that moves with the counter, the clock."""
        picture = self._still.copy()
        side = self.height // _BOX_SHARE
        left = stamp.counter * 4 % (self.width - side)
        top = self.height // 2 - side // 2
        picture[top : top + side, left : left + side] = _WHITE - stamp.counter * 3 % 128
        put_clock(picture, self.width, self.height, stamp)
        return picture


def put_clock(picture: Planes, width: int, height: int, stamp: Stamp) -> None:
    """Draw the clock into any picture: the bar code at the top, the digits at the bottom."""
    code_height = height // _CODE_SHARE
    picture[:code_height] = _code(stamp, width, code_height)
    for plane in np.split(picture[height:].reshape(-1), 2):
        plane.reshape(height // 2, width // 2)[: (code_height + 1) // 2] = 128
    digits = _text(_readable(stamp), max(1, width // 160))
    top = height - digits.shape[0] - height // 16
    left = max(0, (width - digits.shape[1]) // 2)
    place = picture[top : top + digits.shape[0], left : left + digits.shape[1]]
    np.copyto(place, np.where(digits, _WHITE, _BLACK)[: place.shape[0], : place.shape[1]], casting="unsafe")


def read_clock(luma: Luma) -> Stamp | None:
    """Read the bar code of a decoded picture; None if there is none or it is damaged."""
    height, width = luma.shape
    code_height = height // _CODE_SHARE
    if width < _COLUMNS * 4 or code_height < _ROWS * 2:
        return None
    rows, columns = _middles(code_height, _ROWS), _middles(width, _COLUMNS)
    cells = luma[np.ix_(rows, columns)].reshape(_ROWS, 3, _COLUMNS, 3).mean((1, 3))
    data = np.packbits(cells > _MIDDLE).tobytes()
    body, check = data[: _COUNTER_BYTES + _TIME_BYTES], data[_COUNTER_BYTES + _TIME_BYTES :]
    if _check(body) != check:
        return None
    return Stamp(int.from_bytes(body[:_COUNTER_BYTES], "big"), int.from_bytes(body[_COUNTER_BYTES:], "big"))


def _middles(length: int, cells: int) -> NDArray[np.intp]:
    """Return three places around the middle of each cell."""
    size = length / cells
    centres = (np.arange(cells) + 0.5) * size
    return np.asarray(np.floor(centres[:, None] + np.array((-0.2, 0.0, 0.2)) * size).ravel(), np.intp)


def _code(stamp: Stamp, width: int, height: int) -> Luma:
    body = (stamp.counter % (1 << 32)).to_bytes(_COUNTER_BYTES, "big")
    body += (stamp.time_ms % (1 << 48)).to_bytes(_TIME_BYTES, "big")
    cells = np.unpackbits(np.frombuffer(body + _check(body), np.uint8)).reshape(_ROWS, _COLUMNS)
    rows = np.arange(height) * _ROWS // height
    columns = np.arange(width) * _COLUMNS // width
    return np.where(cells[np.ix_(rows, columns)], np.uint8(_WHITE), np.uint8(_BLACK))


def _check(body: bytes) -> bytes:
    """Return a check that no uniform area satisfies."""
    return (zlib.crc32(body) & 0xFFFF).to_bytes(2, "big")


@lru_cache(maxsize=8)
def _background(width: int, height: int) -> Planes:
    """Return soft blobs over a gradient: detail enough that a codec has to work, and no edge that it blurs."""
    noise = np.random.default_rng(_SEED).uniform(-40, 40, (height // 16 + 2, width // 16 + 2))
    ys, xs = np.arange(height) / 16, np.arange(width) / 16
    rows, columns = ys.astype(int), xs.astype(int)
    fy, fx = (ys - rows)[:, None], (xs - columns)[None, :]
    upper = noise[np.ix_(rows, columns)] * (1 - fx) + noise[np.ix_(rows, columns + 1)] * fx
    lower = noise[np.ix_(rows + 1, columns)] * (1 - fx) + noise[np.ix_(rows + 1, columns + 1)] * fx
    luma = np.linspace(70, 180, width)[None, :] + upper * (1 - fy) + lower * fy
    half = (height // 2, width // 2)
    blue = np.broadcast_to(np.linspace(90, 160, half[1])[None, :], half)
    red = np.broadcast_to(np.linspace(160, 100, half[0])[:, None], half)
    planes = np.concatenate([luma.ravel(), blue.ravel(), red.ravel()])
    return np.clip(np.round(planes), _BLACK, _WHITE).astype(np.uint8).reshape(height * 3 // 2, width)


def _readable(stamp: Stamp) -> str:
    seconds, ms = divmod(stamp.time_ms, 1000)
    return f"{seconds // 3600 % 100:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{ms:03}  {stamp.counter}"


def _text(text: str, scale: int) -> NDArray[np.bool_]:
    rows = [".".join([""] + [_GLYPHS[letter].split("|")[row] for letter in text] + [""]) for row in range(5)]
    framed = ["." * len(rows[0]), *rows, "." * len(rows[0])]
    shape = np.array([[pixel == "#" for pixel in row] for row in framed])
    return np.kron(shape, np.ones((scale, scale), bool)).astype(np.bool_)
