"""Any picture to the size and format that is encoded: turned upright, scaled, framed in black, never stretched.

The encoder itself would stretch silently. Colours leave as limited-range BT.709, which the encoder declares.
"""

from fractions import Fraction
from typing import Any, Final, NamedTuple

from av.error import FFmpegError
from av.filter import Graph
from av.video.frame import VideoFrame

from clankvox.errors import CodecError

SQUARE: Final = Fraction(1)
_SANE_ASPECT: Final = (Fraction(1, 10), Fraction(10))
_QUARTER_TURNS: Final[dict[int, tuple[str, ...]]] = {
    0: (),
    90: ("transpose=cclock",),
    180: ("hflip", "vflip"),
    270: ("transpose=clock",),
}
"""Filters that undo a display matrix, by PyAV's `rotation` (counter-clockwise degrees to turn the picture by)."""
_SD_HEIGHT: Final = 576
"""Up to here untagged YUV is BT.601, above it BT.709: how television was made and players guess."""
_UNSPECIFIED: Final = 2


class _Shape(NamedTuple):
    """All of a picture that the filter graph was built for."""

    width: int
    height: int
    pixel_format: str
    pixel_aspect: Fraction
    rotation: int
    matrix: int
    """The H.264 matrix coefficients (table E-5); 2 is unspecified."""
    colour_range: int
    is_rgb: bool


class Letterbox:
    """Fits pictures into `width` x `height` of yuv420p. Not thread-safe; scaling releases the GIL.

    A picture of another shape than the one before rebuilds the filter graph (under 1 ms). Transparency is ignored.
    """

    def __init__(self, width: int, height: int) -> None:
        """Take the even size of the pictures that come out."""
        self._width = width
        self._height = height
        self._shape: _Shape | None = None
        self._graph: Graph | None = None

    def fit(self, picture: VideoFrame, pixel_aspect: Fraction = SQUARE) -> VideoFrame:
        """Return a new picture of the target's size; its pts is not set. CodecError if it cannot be converted.

        `pixel_aspect` is width over height of one pixel, which the container knows and the picture does not.
        """
        shape = _shape_of(picture, pixel_aspect)
        try:
            if self._graph is None or shape != self._shape:
                self._graph = self._built(shape)
                self._shape = shape
            self._graph.vpush(picture)
            fitted = self._graph.vpull()
        except (FFmpegError, ValueError) as error:
            self._graph = None
            raise CodecError("picture cannot be scaled") from error
        fitted.pts = None
        return fitted

    def _built(self, shape: _Shape) -> Graph:
        upright = (shape.width, shape.height) if shape.rotation in {0, 180} else (shape.height, shape.width)
        aspect = shape.pixel_aspect if shape.rotation in {0, 180} else 1 / shape.pixel_aspect
        width, height = inner_size(*upright, aspect, self._width, self._height)
        colours = "out_color_matrix=bt709:out_range=tv"
        if shape.matrix == _UNSPECIFIED and not shape.is_rgb:
            colours += f":in_color_matrix={'bt601' if shape.height <= _SD_HEIGHT else 'bt709'}"
        left, top = (self._width - width) // 4 * 2, (self._height - height) // 4 * 2  # even, as chroma needs
        source = (
            f"buffer=width={shape.width}:height={shape.height}:pix_fmt={shape.pixel_format}"
            f":time_base=1/90000:colorspace={shape.matrix}:range={shape.colour_range}"
        )
        steps = (
            source,
            *_QUARTER_TURNS[shape.rotation],
            f"scale={width}:{height}:flags=bicubic:{colours}",
            "format=yuv420p",
            f"pad={self._width}:{self._height}:{left}:{top}:black",
            "setsar=1",
            "buffersink",
        )
        return chain(steps)


def inner_size(width: int, height: int, aspect: Fraction, outer_width: int, outer_height: int) -> tuple[int, int]:
    """Return the largest even size with the shape in which `width` x `height` is shown that the outer one holds."""
    shown = float(width * aspect)
    scale = min(outer_width / shown, outer_height / height)
    return _even(shown * scale, outer_width), _even(height * scale, outer_height)


def chain(steps: tuple[str, ...]) -> Graph:
    """Build and configure a graph of filters in a row, each as `name=arguments`. FFmpegError if one refuses."""
    graph = Graph()
    last: Any = None
    for step in steps:
        name, _, arguments = step.partition("=")
        node = graph.add(name, arguments or None)
        if last is not None:
            last.link_to(node)
        last = node
    graph.configure()
    return graph


def _even(size: float, limit: int) -> int:
    return max(2, min(limit, round(size / 2) * 2))


def _shape_of(picture: VideoFrame, pixel_aspect: Fraction) -> _Shape:
    return _Shape(
        picture.width,
        picture.height,
        picture.format.name,
        pixel_aspect if _SANE_ASPECT[0] <= pixel_aspect <= _SANE_ASPECT[1] else SQUARE,
        picture.rotation % 360 // 90 * 90,
        int(picture.colorspace),
        int(picture.color_range),
        picture.format.is_rgb,
    )
