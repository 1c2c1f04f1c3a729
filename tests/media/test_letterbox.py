"""Every picture keeps its shape and its colours, whatever comes in."""

from fractions import Fraction

import av
import numpy as np
import pytest

from clankvox.errors import CodecError
from clankvox.media.letterbox import Letterbox, chain, inner_size
from tests.support.published import luma


def grey(width, height, value=180, pixel_format="yuv420p"):
    return av.VideoFrame.from_ndarray(np.full((height, width, 3), value, np.uint8), format="rgb24").reformat(
        format=pixel_format
    )


def bright_box(frame):
    """Return left, top, right and bottom of what is not black."""
    rows, columns = np.nonzero(luma(frame).max(axis=1) > 60)[0], np.nonzero(luma(frame).max(axis=0) > 60)[0]
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((1280, 720), (0, 0, 1280, 720)),
        ((640, 360), (0, 0, 1280, 720)),
        ((640, 480), (160, 0, 1120, 720)),
        ((1920, 800), (0, 93, 1280, 627)),
        ((100, 400), (550, 0, 730, 720)),
    ],
)
def test_a_picture_is_scaled_whole_and_centred(size, box):
    fitted = Letterbox(1280, 720).fit(grey(*size))
    assert (fitted.width, fitted.height, fitted.format.name) == (1280, 720, "yuv420p")
    assert np.abs(np.subtract(bright_box(fitted), box)).max() <= 2


def test_pixels_that_are_not_square_are_shown_as_wide_as_they_are():
    fitted = Letterbox(1280, 720).fit(grey(720, 576), Fraction(64, 45))
    assert np.abs(np.subtract(bright_box(fitted), (0, 0, 1280, 720))).max() <= 2


def test_an_absurd_pixel_aspect_counts_as_square():
    left, _, right, _ = bright_box(Letterbox(640, 360).fit(grey(360, 360), Fraction(1000)))
    assert abs(left - 140) <= 2
    assert abs(right - 500) <= 2


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "yuv444p", "rgb24", "rgba", "gray", "yuv420p10le"])
def test_brightness_is_kept_in_limited_range(pixel_format):
    fitted = Letterbox(320, 180).fit(grey(320, 180, 255, pixel_format))
    assert abs(int(np.median(luma(fitted))) - 235) <= 2
    assert abs(int(np.median(luma(Letterbox(320, 180).fit(grey(320, 180, 0, pixel_format))))) - 16) <= 2


def test_red_keeps_its_hue_in_bt709():
    red = np.zeros((90, 160, 3), np.uint8)
    red[:, :, 0] = 255
    fitted = Letterbox(160, 90).fit(av.VideoFrame.from_ndarray(red, format="rgb24"))
    assert abs(int(np.median(luma(fitted))) - 63) <= 2, "BT.601 would give 81"


def test_a_picture_of_another_size_in_mid_stream_is_fitted_anew():
    box = Letterbox(640, 360)
    for size in ((640, 480), (64, 64), (1920, 1080), (640, 480)):
        assert (box.fit(grey(*size)).width, box.fit(grey(*size)).height) == (640, 360)


class Turned:
    """A picture with a display matrix, which only a container can give it."""

    def __init__(self, frame, rotation):
        self._frame = frame
        self.rotation = rotation

    def __getattr__(self, name):
        return getattr(self._frame, name)


@pytest.mark.parametrize(
    ("rotation", "corner"), [(0, (0, 0)), (90, (1, 0)), (180, (1, 1)), (-90, (0, 1)), (270, (0, 1))]
)
def test_a_turned_picture_is_shown_upright(rotation, corner, monkeypatch):
    pixels = np.full((180, 320, 3), 40, np.uint8)
    pixels[:90, :160] = 250
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    box = Letterbox(320, 320)
    shape_of = Letterbox.fit.__globals__["_shape_of"]
    monkeypatch.setitem(
        Letterbox.fit.__globals__, "_shape_of", lambda picture, aspect: shape_of(Turned(picture, rotation), aspect)
    )
    plane = luma(box.fit(frame))
    left, top, right, bottom = (0, 70, 320, 250) if rotation in (0, 180) else (70, 0, 250, 320)
    inner = plane[top:bottom, left:right]
    rows = np.array_split(inner, 2, axis=0)
    quadrants = {(r, c): np.array_split(rows[r], 2, axis=1)[c].mean() for r in (0, 1) for c in (0, 1)}
    assert max(quadrants, key=quadrants.get) == corner, "counter-clockwise, as the display matrix says"


@pytest.mark.parametrize("outer", [(1280, 720), (16, 16), (4096, 2160)])
def test_inner_sizes_are_even_and_never_outgrow_the_target(outer):
    for width, height in ((1, 1000), (1000, 1), (1279, 719), (3, 7)):
        inner = inner_size(width, height, Fraction(1), *outer)
        assert inner[0] % 2 == 0
        assert inner[1] % 2 == 0
        assert 2 <= inner[0] <= outer[0]
        assert 2 <= inner[1] <= outer[1]


def test_what_cannot_be_scaled_is_a_codec_error_and_the_next_picture_works(monkeypatch):
    box = Letterbox(64, 64)
    with monkeypatch.context() as broken:
        broken.setattr("clankvox.media.letterbox.chain", lambda _steps: chain(("buffer=width=0", "buffersink")))
        with pytest.raises(CodecError):
            box.fit(grey(16, 16))
    assert box.fit(grey(16, 16)).width == 64
