from clankvox.histogram import Histogram


def test_a_bound_includes_itself_and_the_last_bucket_is_open():
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 99.0):
        histogram.observe(value)
    assert histogram.cumulative() == [2, 3, 4]
    assert histogram.sum == 102.0


def test_an_empty_one_has_zeros():
    assert Histogram((1.0,)).cumulative() == [0, 0]


def test_what_is_above_a_bound_is_told_without_what_is_at_it():
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 99.0):
        histogram.observe(value)
    assert (histogram.count, histogram.above(1.0), histogram.above(2.0)) == (4, 2, 1)
