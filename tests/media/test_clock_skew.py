"""The slope of least delays, against clocks whose skew is known."""

import random

import pytest

from clankvox.media.clock_skew import MOST_SKEW, ClockSkew, Point

SECOND = 48_000


def watch(skew, ppm, seconds, noise_ticks=0.0, since=0, seed=1):
    rng = random.Random(seed)
    for second in range(since, since + seconds):
        sent = second * SECOND
        skew.add(Point(sent, 7_000 + sent * ppm * 1e-6 + rng.random() * noise_ticks))


@pytest.mark.parametrize("ppm", [-300, -100, 0, 100, 300])
def test_the_skew_of_a_clock_is_known_after_a_few_minutes_whatever_the_jitter_leaves_of_the_least_delays(ppm):
    skew = ClockSkew()
    watch(skew, ppm, 300, noise_ticks=100)
    assert skew.value == pytest.approx(ppm * 1e-6, abs=max(skew.doubt, 10e-6))
    assert skew.doubt < 30e-6


def test_doubt_shrinks_with_time_and_covers_what_it_says():
    doubts = []
    for seconds in (4, 20, 120, 600):
        skew = ClockSkew()
        watch(skew, 80, seconds, noise_ticks=70)
        doubts.append(skew.doubt)
        assert abs(skew.value - 80e-6) <= skew.doubt
    assert doubts == sorted(doubts, reverse=True)
    assert ClockSkew().doubt == pytest.approx(200e-6)


def test_stretches_add_up_although_their_offsets_are_not_comparable():
    skew = ClockSkew()
    for stretch in range(100):
        skew.begin()
        watch(skew, 60, 8, noise_ticks=5, since=stretch * 1_000, seed=stretch)
    assert skew.value == pytest.approx(60e-6, abs=5e-6)


def test_a_stretch_in_which_rtp_time_jumped_is_unlearned():
    skew = ClockSkew()
    watch(skew, 50, 100)
    skew.begin()
    before, doubt = skew.value, skew.doubt
    watch(skew, 900, 100)
    assert skew.value != before
    skew.forget()
    assert (skew.value, skew.doubt) == (before, doubt)


def test_points_are_few_and_span_a_quarter_of_an_hour_at_most():
    skew = ClockSkew()
    for second in range(10_000):
        skew.add(Point(second * SECOND, second * 4.8))
        assert len(skew._points) < 32
        assert skew._points[-1].sent - skew._points[0].sent <= 900 * SECOND
    assert skew._points[-1].sent - skew._points[0].sent > 300 * SECOND


def test_no_clock_is_believed_to_be_absurd():
    skew = ClockSkew()
    watch(skew, 50_000, 100)
    assert skew.value == MOST_SKEW
