import numpy as np
import pytest

from clankvox.media.change_score import ChangeMeter


def plain(level, width=640, height=360):
    return np.full((height, width), level, np.uint8)


def test_the_first_picture_changes_nothing():
    meter = ChangeMeter()
    meter.observe(plain(200))
    assert meter.take() == (0.0, 0.0, False)


def test_the_score_is_the_mean_difference_of_luma_over_its_span():
    meter = ChangeMeter()
    meter.observe(plain(16))
    meter.observe(plain(16 + 73))
    assert meter.take() == (pytest.approx(1 / 3), pytest.approx(0.35 / 3), False)
    meter.observe(plain(89 + 51), full_range=True)
    assert meter.take().score == pytest.approx(0.2)


def test_between_shown_pictures_the_largest_change_counts_and_the_average_goes_on():
    meter = ChangeMeter()
    ema = 0.0
    for level, score in ((50, 0), (50, 0), (200, 150 / 219), (201, 1 / 219)):
        meter.observe(plain(level))
        ema += 0.35 * (score - ema)
    change = meter.take()
    assert change == (pytest.approx(150 / 219), pytest.approx(ema), True)
    assert meter.take().score == 0.0


def test_half_a_picture_counts_half():
    meter = ChangeMeter()
    first, second = plain(20), plain(20)
    second[:, :320] = 239
    meter.observe(first)
    meter.observe(second)
    assert meter.take().score == pytest.approx(0.5)


def test_two_fifths_are_a_scene_cut():
    meter = ChangeMeter()
    meter.observe(plain(0))
    meter.observe(plain(102), full_range=True)
    assert meter.take().is_scene_cut
    meter.observe(plain(1), full_range=True)
    assert not meter.take().is_scene_cut


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (64, 36), (7, 3), (1, 1), (5000, 40)])
def test_pictures_of_another_size_are_compared_all_the_same(width, height):
    meter = ChangeMeter()
    meter.observe(plain(100))
    meter.observe(plain(100, width, height))
    assert meter.take().score == 0.0
    meter.observe(plain(100 + 73, width, height))
    assert meter.take().score == pytest.approx(1 / 3)


def test_a_new_beginning_has_no_past():
    meter = ChangeMeter()
    meter.observe(plain(0))
    meter.observe(plain(255))
    meter.reset()
    meter.observe(plain(0))
    assert meter.take() == (0.0, 0.0, False)
