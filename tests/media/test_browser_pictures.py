"""Pictures of a browser: newest win, capture times count, damage is survived."""

import itertools

import pytest

from clankvox.media.browser_pictures import BrowserPictures
from clankvox.media.picture_source import Pulled
from clankvox.media.png_picture import PngRefused
from tests.media.test_png_picture import png
from tests.support.coded_video import av_frame, index_of
from tests.support.published import luma, png_of


def pull_all(source):
    pulled = []
    while (item := source.pull()) is not Pulled.WAITING:
        pulled.append(item)
    return pulled


def test_of_more_than_four_the_oldest_are_dropped():
    source = BrowserPictures()
    for index in range(7):
        source.offer(png_of(av_frame(index)), 1_000 + index * 100)
    assert [index_of(luma(item.picture.reformat(format="yuv420p"))) for item in pull_all(source)] == [3, 4, 5, 6]
    assert source.left_out == 3


def test_an_empty_queue_waits_and_never_ends():
    source = BrowserPictures()
    assert source.pull() is Pulled.WAITING
    source.offer(png(), 5)
    assert source.pull().media_time_s == 0.0
    assert source.pull() is Pulled.WAITING


@pytest.mark.parametrize(
    ("captured", "steps_ms"),
    [
        ([1_000, 1_100, 1_350], [100, 250]),
        ([1_000, 1_000, 500], [1, 1]),
        ([1_000, 100_000], [5_000]),
        ([0, 0, 0], [33.333, 33.333]),
        ([1_000, 0, 2_000], [33.333, 33.333]),
    ],
)
def test_media_time_steps_as_the_captures_do_between_1_ms_and_5_s(captured, steps_ms):
    source, times = BrowserPictures(), []
    for at in captured:
        source.offer(png(), at)
        times += [item.media_time_s for item in pull_all(source)]
    steps = [(later - earlier) * 1_000 for earlier, later in itertools.pairwise(times)]
    assert steps == pytest.approx(steps_ms, abs=0.01)


def test_a_bomb_is_refused_when_it_is_offered():
    source = BrowserPictures()
    with pytest.raises(PngRefused):
        source.offer(png(16_384, 16_384, data=b"x"), 1)
    assert source.pull() is Pulled.WAITING


def test_a_damaged_picture_is_skipped_and_counted():
    source = BrowserPictures()
    source.offer(png(data=b"rubbish"), 1_000)
    source.offer(png(), 2_000)
    assert len(pull_all(source)) == 1
    assert source.left_out == 1


def test_what_was_captured_before_a_pause_is_forgotten():
    source = BrowserPictures()
    source.offer(png(), 1_000)
    source.forget()
    assert source.pull() is Pulled.WAITING
    source.offer(png(), 1_000)
    source.close()
    assert source.pull() is Pulled.WAITING
