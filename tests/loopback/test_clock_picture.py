import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.loopback.clock_picture import ClockPicture, Stamp, put_clock, read_clock

SIZES = [(160, 96), (320, 180), (854, 480), (1280, 720)]
stamps = st.builds(Stamp, st.integers(0, 2**32 - 1), st.integers(0, 2**48 - 1))


@pytest.mark.parametrize(("width", "height"), SIZES)
@given(stamp=stamps)
def test_a_clock_is_read_back_at_any_size(width, height, stamp):
    assert read_clock(ClockPicture(width, height).draw(stamp)[:height]) == stamp


@given(stamp=stamps, seed=st.integers(0, 2**32))
def test_a_clock_survives_noise(stamp, seed):
    luma = ClockPicture(320, 180).draw(stamp)[:180].astype(int)
    noisy = luma + np.random.default_rng(seed).normal(0, 40, luma.shape)
    assert read_clock(np.clip(noisy, 0, 255).astype(np.uint8)) == stamp


def test_a_clock_is_read_from_a_smaller_copy():
    stamp = Stamp(77, 123_456)
    luma = ClockPicture(1280, 720).draw(stamp)[:720]
    assert read_clock(luma[::4, ::4]) == stamp


@pytest.mark.parametrize("value", [0, 16, 128, 235, 255])
def test_a_uniform_picture_has_no_clock(value):
    assert read_clock(np.full((180, 320), value, np.uint8)) is None
    assert read_clock(np.full((8, 8), value, np.uint8)) is None


def test_a_damaged_clock_is_refused():
    picture = ClockPicture(320, 180).draw(Stamp(5, 6))[:180].copy()
    picture[:7, :10] = 255 - picture[:7, :10]
    assert read_clock(picture) is None


def test_the_same_stamp_gives_the_same_picture_and_another_one_moves():
    pattern = ClockPicture(320, 180)
    assert np.array_equal(pattern.draw(Stamp(1, 2)), ClockPicture(320, 180).draw(Stamp(1, 2)))
    assert not np.array_equal(pattern.draw(Stamp(1, 2))[60:120], pattern.draw(Stamp(9, 2))[60:120])


def test_a_clock_is_put_into_any_picture():
    picture = np.full((270, 320), 90, np.uint8)
    put_clock(picture, 320, 180, Stamp(3, 4))
    assert read_clock(picture[:180]) == Stamp(3, 4)
    assert (picture[30:150] == 90).all()


@pytest.mark.parametrize("size", [(100, 96), (160, 90), (161, 96), (160, 97)])
def test_a_size_that_has_no_room_is_refused(size):
    with pytest.raises(ValueError, match="160x96"):
        ClockPicture(*size)
