"""PNG from outside: what it declares is checked before a byte is decoded."""

import contextlib
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.media.png_picture import MAX_PNG_BYTES, PngDecoder, PngRefused, checked_png
from tests.support.coded_video import av_frame
from tests.support.published import png_of

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind, data=b""):
    return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))


def png(width=4, height=4, *, extra=(), data=None, colour=2, depth=8):
    rows = b"".join(b"\0" + bytes(width * 3) for _ in range(height)) if width * height <= 64 else b""
    body = zlib.compress(rows) if data is None else data
    header = chunk(b"IHDR", struct.pack("!IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return SIGNATURE + header + b"".join(extra) + chunk(b"IDAT", body) + chunk(b"IEND")


def test_a_screenshot_comes_through_pixel_by_pixel():
    source = av_frame(3, 320, 192).reformat(format="rgb24")
    frame = PngDecoder().decode(checked_png(png_of(source)))
    assert np.array_equal(frame.to_ndarray(format="rgb24"), source.to_ndarray())


def test_one_decoder_takes_pictures_of_changing_sizes():
    decoder = PngDecoder()
    for index, size in enumerate([(320, 192), (320, 192), (128, 64), (640, 384)]):
        source = av_frame(index, *size).reformat(format="rgb24")
        frame = decoder.decode(checked_png(png_of(source)))
        assert np.array_equal(frame.to_ndarray(format="rgb24"), source.to_ndarray())


@pytest.mark.parametrize("size", [(16_384, 16_384), (4_097, 1), (1, 4_097), (4_096, 4_096), (0, 5), (2**31, 2**31)])
def test_a_declared_size_over_the_limit_is_refused_before_anything_is_decoded(size, monkeypatch):
    monkeypatch.setattr(PngDecoder, "decode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(PngRefused, match="picture_too_large"):
        checked_png(png(*size, data=zlib.compress(bytes(100))))


def test_text_and_profiles_that_inflate_never_reach_the_decoder():
    bomb = zlib.compress(bytes(10_000_000))
    texts = [chunk(b"zTXt", b"k\0\0" + bomb), chunk(b"iTXt", b"k\0\1\0\0\0" + bomb), chunk(b"iCCP", b"p\0\0" + bomb)]
    kept = checked_png(png(extra=texts))
    assert kept.data == png()
    assert PngDecoder().decode(kept).width == 4


def test_picture_data_beyond_what_the_picture_has_is_refused():
    with pytest.raises(PngRefused, match="more data"):
        checked_png(png(8, 8, data=bytes(200_000)))


def test_picture_data_that_inflates_beyond_its_picture_is_refused_without_inflating_all_of_it(monkeypatch):
    deflater = zlib.compressobj(9)
    data = b"".join(deflater.compress(bytes(1 << 20)) for _ in range(64)) + deflater.flush()
    checked = checked_png(png(640, 384, data=data))
    inflated = []
    monkeypatch.setattr("clankvox.media.png_picture.zlib.decompressobj", lambda: Counting(inflated))
    with pytest.raises(PngRefused):
        PngDecoder().decode(checked)
    assert sum(inflated) <= 3 * (1 << 20)


class Counting:
    """An inflater that tells how much it gave."""

    make = staticmethod(zlib.decompressobj)

    def __init__(self, inflated):
        self._inflater = self.make()
        self._inflated = inflated

    def decompress(self, data, limit):
        out = self._inflater.decompress(data, limit)
        self._inflated.append(len(out))
        return out

    @property
    def unconsumed_tail(self):
        return self._inflater.unconsumed_tail


def test_more_than_six_megabytes_are_refused():
    with pytest.raises(PngRefused, match=f"too_large:{MAX_PNG_BYTES + 1}"):
        checked_png(png(extra=[chunk(b"tEXt", bytes(MAX_PNG_BYTES))])[: MAX_PNG_BYTES + 1])


def test_a_flood_of_chunks_is_refused():
    with pytest.raises(PngRefused, match="too many"):
        checked_png(png(extra=[chunk(b"tEXt")] * 5_000))


@pytest.mark.parametrize(
    "data",
    [b"", b"GIF89a", SIGNATURE, SIGNATURE + chunk(b"IEND"), SIGNATURE + chunk(b"IDAT", b"x"), png()[:40], png()[:-20]],
)
def test_what_is_no_whole_png_is_refused(data):
    with pytest.raises(PngRefused):
        PngDecoder().decode(checked_png(data))


def test_damaged_picture_data_is_refused_and_the_next_picture_works():
    decoder = PngDecoder()
    with pytest.raises(PngRefused):
        decoder.decode(checked_png(png(data=b"rubbish rubbish")))
    assert decoder.decode(checked_png(png())).height == 4


@given(data=st.binary(max_size=200), cut=st.integers(0, 90))
@settings(max_examples=150, deadline=None)
def test_rubbish_is_refused_and_raises_nothing_else(data, cut):
    for candidate in (data, SIGNATURE + data, png()[:cut] + data):
        with contextlib.suppress(PngRefused):
            PngDecoder().decode(checked_png(candidate))
