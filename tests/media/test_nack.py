import pytest

from clankvox.media.nack import MOST_MISSING, NackTracker


def test_what_is_missed_is_asked_for_at_once_and_every_100_ms_in_order():
    tracker = NackTracker()
    assert tracker.next_due is None
    tracker.miss(range(5, 7), 1.0)
    tracker.miss(range(3, 4), 1.05)
    assert tracker.due(1.05) == [3, 5, 6]
    assert tracker.due(1.1) == []
    assert tracker.next_due == pytest.approx(1.15)
    assert tracker.due(1.16) == [3, 5, 6]


def test_later_gaps_do_not_delay_the_repetition_of_older_ones():
    tracker = NackTracker()
    tracker.miss(range(1, 2), 1.0)
    assert tracker.due(1.0) == [1]
    tracker.miss(range(5, 6), 1.06)
    assert tracker.due(1.06) == [5]
    assert tracker.due(1.11) == [1]
    assert tracker.due(1.17) == [5]


def test_a_packet_in_order_changes_no_time():
    tracker = NackTracker()
    tracker.miss(range(1, 2), 1.0)
    tracker.miss(range(4, 4), 1.2)
    assert tracker.due(1.0) == [1]


def test_what_came_or_is_given_up_is_asked_for_no_more():
    tracker = NackTracker()
    tracker.miss(range(1, 5), 1.0)
    assert tracker.found(2)
    assert not tracker.found(2)
    tracker.give_up([1, 9])
    assert (len(tracker), 3 in tracker, 1 in tracker) == (2, True, False)
    assert tracker.due(1.0) == [3, 4]
    assert (tracker.since(3), tracker.since(1)) == (1.0, None)


def test_more_than_a_thousand_are_not_worth_asking_for():
    tracker = NackTracker()
    assert tracker.miss(range(MOST_MISSING), 1.0)
    assert not tracker.miss(range(5_000, 5_001), 1.0)
    assert len(tracker) == 0
    assert tracker.due(2.0) == []
