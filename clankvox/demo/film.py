"""What the demo shows: a film and single pages, each picture with a running clock in it."""

from fractions import Fraction
from pathlib import Path
from typing import Final, NamedTuple

import av

from clankvox.loopback.clock_picture import ClockPicture, Stamp

WIDTH: Final = 1_280
HEIGHT: Final = 720
FPS: Final = 30
FILM_S: Final = 20.0
"""Longer than it is shown."""
PAGE_WIDTH: Final = 640
PAGE_HEIGHT: Final = 360
_OPTIONS: Final = {"preset": "ultrafast", "crf": "18"}


class Film(NamedTuple):
    """A video file that the process is asked to publish."""

    path: Path

    @property
    def url(self) -> str:
        """Where the process finds it; it has to be allowed to open files."""
        return self.path.absolute().as_uri()


def make_film(path: Path, seconds: float = FILM_S) -> Film:
    """Write a 720p30 MP4 whose n-th picture says n in its clock."""
    pattern = ClockPicture(WIDTH, HEIGHT)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options=_OPTIONS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(round(seconds * FPS)):
            planes = pattern.draw(Stamp(number, round(number * 1000 / FPS)))
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return Film(path)


class Pages:
    """PNG pictures as a browser's screen would be captured, stamped with the time at which they are drawn."""

    def __init__(self) -> None:
        self._pattern = ClockPicture(PAGE_WIDTH, PAGE_HEIGHT)
        self._count = 0

    def draw(self, now_ms: float) -> bytes:
        """Return the next page; `now_ms` on the machine's monotonic clock is what its clock says."""
        planes = self._pattern.draw(Stamp(self._count, round(now_ms)))
        self._count += 1
        encoder = av.CodecContext.create("png", "w")
        encoder.width, encoder.height, encoder.pix_fmt = PAGE_WIDTH, PAGE_HEIGHT, "rgb24"
        encoder.time_base, encoder.options = Fraction(1), {"compression_level": "1"}
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p").reformat(format="rgb24")
        frame.pts = 0
        return b"".join(map(bytes, [*encoder.encode(frame), *encoder.encode(None)]))
