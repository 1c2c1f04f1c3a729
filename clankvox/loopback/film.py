"""What a publishing member shows: a test pattern or a file, encoded live, or a short clip that is encoded once."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

import av
import numpy as np

from clankvox.errors import CodecError, InvalidRequest
from clankvox.loopback.clock_picture import ClockPicture, Planes, Stamp, put_clock
from clankvox.loopback.picture_encoder import EncodedPicture, PictureEncoder, VideoSettings

_CLIP_S: Final = 2
_LETTERBOX_LUMA: Final = 16
_NEUTRAL_CHROMA: Final = 128


class Film(Protocol):
    """Not thread-safe: the thread that feeds pictures owns it."""

    def next(self, stamp: Stamp, *, key: bool) -> EncodedPicture:
        """Return the next picture, with `stamp` in it; with `key` one that a decoder can begin with."""
        ...


class LiveFilm:
    """Pictures with a running clock, each encoded when it is due."""

    def __init__(self, settings: VideoSettings, path: Path | None = None) -> None:
        """Show the test pattern, or the video file `path` over and over; InvalidRequest if it is none. Blocks."""
        self._settings = settings
        self._pattern = ClockPicture(settings.width, settings.height)
        self._frames = None if path is None else _endless(path, settings)
        self._first = None if self._frames is None else next(self._frames)
        self._encoder = PictureEncoder(settings)

    def next(self, stamp: Stamp, *, key: bool) -> EncodedPicture:
        """See Film."""
        return self._encoder.encode(self._picture(stamp), key=key)

    def _picture(self, stamp: Stamp) -> Planes:
        if self._frames is None:
            return self._pattern.draw(stamp)
        first, self._first = self._first, None
        picture = next(self._frames) if first is None else first
        put_clock(picture, self._settings.width, self._settings.height, stamp)
        return picture


class ReplayedFilm:
    """The same two seconds again and again: costs no encoding, so that a crowd of publishers can be had."""

    def __init__(self, settings: VideoSettings) -> None:
        """Encode the clip, or take it from a member with the same settings. Blocks."""
        self._pictures = _clip(settings)
        self._position = 0

    def next(self, stamp: Stamp, *, key: bool) -> EncodedPicture:  # noqa: ARG002 - its clock is drawn already
        """See Film. A key frame is had by beginning anew; the clock in the picture counts within the clip."""
        if key or self._position == len(self._pictures):
            self._position = 0
        picture = self._pictures[self._position]
        self._position += 1
        return picture


@lru_cache(maxsize=4)
def _clip(settings: VideoSettings) -> tuple[EncodedPicture, ...]:
    encoder, pattern = PictureEncoder(settings), ClockPicture(settings.width, settings.height)
    count = max(1, round(_CLIP_S * settings.fps))
    return tuple(
        encoder.encode(pattern.draw(Stamp(index, round(index * 1000 / settings.fps))), key=index == 0)
        for index in range(count)
    )


def open_film(settings: VideoSettings, path: Path | None, *, clock: bool) -> Film:
    """Return what is to be shown; InvalidRequest if the file or the settings will not do. Blocks: use a thread."""
    try:
        if path is None and not clock:
            return ReplayedFilm(settings)
        return LiveFilm(settings, path)
    except OSError as error:
        raise InvalidRequest(f"cannot read the video file: {error.strerror or type(error).__name__}") from error
    except (av.error.FFmpegError, ValueError, IndexError, StopIteration, CodecError) as error:
        raise InvalidRequest(f"cannot show that: {error}") from error


def _endless(path: Path, settings: VideoSettings) -> Iterator[Planes]:
    """Yield the pictures of a file over and over, fitted in with black bars."""
    while True:
        shown = 0
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                shown += 1
                yield _fitted(frame, settings.width, settings.height)
        if not shown:
            raise ValueError("no picture in the file")


def _fitted(frame: av.VideoFrame, width: int, height: int) -> Planes:
    scale = min(width / frame.width, height / frame.height)
    inner_width, inner_height = (max(2, int(size * scale) // 2 * 2) for size in (frame.width, frame.height))
    inner = frame.reformat(inner_width, inner_height, format="yuv420p").to_ndarray()
    luma = np.full((height, width), _LETTERBOX_LUMA, np.uint8)
    chroma = np.full((2, height // 2, width // 2), _NEUTRAL_CHROMA, np.uint8)
    top, left = (height - inner_height) // 4 * 2, (width - inner_width) // 4 * 2
    luma[top : top + inner_height, left : left + inner_width] = inner[:inner_height]
    halves = inner[inner_height:].reshape(2, inner_height // 2, inner_width // 2)
    chroma[:, top // 2 : (top + inner_height) // 2, left // 2 : (left + inner_width) // 2] = halves
    return np.concatenate([luma.ravel(), chroma.ravel()]).reshape(height * 3 // 2, width)
