"""Order, patience and jumps, by hypothesis."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.media.video_reorder import (
    HOPELESS_PATIENCE_S,
    MOST_WAITING,
    PATIENCE_S,
    Taken,
    VideoPacket,
    VideoReorderWindow,
)

FIRST = 65_530


def packet(number, at=0.0, payload=b"x"):
    return VideoPacket(payload, (FIRST + number) & 0xFFFF, number * 3_000, marker=False, arrival=at)


def numbers(ordered):
    return [each.packet.timestamp // 3_000 for each in ordered]


def test_in_order_nothing_waits_and_only_the_first_follows_a_gap():
    window = VideoReorderWindow()
    for number in range(20):
        assert window.push(packet(number)) is Taken.FITS
        (ordered,) = window.drain(0.0)
        assert ordered == (packet(number), number == 0)
    assert window.deadline is None
    assert window.nacks(0.0) == []


@settings(max_examples=150, deadline=None)
@given(data=st.data(), count=st.integers(2, 80))
def test_reordered_repeated_packets_come_out_once_and_in_order(data, count):
    order = sorted(range(1, count), key=lambda number: number + data.draw(st.integers(0, 6)))
    window, out = VideoReorderWindow(), []
    window.push(packet(0))
    for number in order:
        window.push(packet(number))
        if data.draw(st.booleans()):
            assert window.push(packet(number)) is Taken.DUPLICATE
        out += window.drain(0.01)
    assert numbers(out) == list(range(count))
    assert [each.after_gap for each in out] == [True] + [False] * (count - 1)


@settings(max_examples=150, deadline=None)
@given(lost=st.sets(st.integers(1, 60)), repaired=st.sets(st.integers(1, 60)))
def test_lost_packets_are_asked_for_and_a_gap_is_marked_where_no_repair_comes(lost, repaired):
    window, out = VideoReorderWindow(), []
    asked = set()
    for number in range(80):
        if number not in lost:
            window.push(packet(number))
            asked.update((sequence - FIRST) & 0xFFFF for sequence in window.nacks(0.0))
    assert asked == lost
    for number in sorted(repaired & lost):
        assert window.repair(packet(number)) is Taken.FITS
    out += window.drain(0.1)
    gone = lost - repaired
    assert numbers(out) == list(range(min(gone, default=80)))
    out += window.drain(PATIENCE_S)
    assert numbers(out) == [number for number in range(80) if number not in gone]
    assert [each.after_gap for each in out] == [number == 0 or number - 1 in gone for number in numbers(out)]
    assert window.lost == len(gone)
    for number in gone:
        assert window.push(packet(number)) is Taken.LATE
        assert window.repair(packet(number)) is Taken.LATE
    for number in lost & repaired:
        assert window.repair(packet(number)) is Taken.DUPLICATE


def test_patience_counts_from_the_packet_that_showed_the_gap():
    window = VideoReorderWindow()
    window.push(packet(0))
    window.drain(0.0)
    window.push(packet(2, at=1.0))
    window.push(packet(3, at=1.2))
    assert window.nacks(1.0) == [(FIRST + 1) & 0xFFFF]
    assert window.deadline == pytest.approx(1.1)
    assert window.nacks(1.2)
    assert window.deadline == 1.0 + PATIENCE_S
    assert window.drain(1.249) == []
    assert numbers(window.drain(1.0 + PATIENCE_S)) == [2, 3]
    assert window.deadline is None


def lose(window, number, at):
    """Push the packet after `number` and what is given up for it; returns how long that took."""
    window.push(packet(number + 1, at=at))
    for waited in (HOPELESS_PATIENCE_S, PATIENCE_S):
        if numbers(window.drain(at + waited)):
            return waited
    raise AssertionError


def test_a_peer_that_repeats_nothing_is_not_waited_for_until_it_does():
    window = VideoReorderWindow()
    window.push(packet(0))
    window.drain(0.0)
    waits = [lose(window, number, at=float(number)) for number in range(1, 25, 2)]
    assert waits == [PATIENCE_S] * 8 + [HOPELESS_PATIENCE_S] * 4
    assert window.repair(packet(23, at=30.0)) is Taken.LATE
    assert lose(window, 25, at=31.0) == PATIENCE_S


def test_a_packet_that_was_overtaken_gives_hope_too():
    window = VideoReorderWindow()
    window.push(packet(0))
    window.drain(0.0)
    for number in range(1, 17, 2):
        lose(window, number, at=float(number))
    window.push(packet(18, at=20.0))
    window.push(packet(17, at=20.01))
    window.drain(20.01)
    assert lose(window, 19, at=21.0) == PATIENCE_S


def test_a_gap_holds_back_so_many_packets_and_no_more():
    window = VideoReorderWindow()
    window.push(packet(0))
    window.drain(0.0)
    for number in range(2, MOST_WAITING + 2):
        window.push(packet(number))
        assert window.drain(0.0) == []
    window.push(packet(MOST_WAITING + 2))
    assert len(window.drain(0.0)) == MOST_WAITING + 1


def test_a_gap_too_large_to_repair_is_given_up_at_once():
    window = VideoReorderWindow()
    window.push(packet(0))
    window.push(packet(2))
    assert numbers(window.drain(0.0)) == [0]
    window.push(packet(1_500))
    assert window.nacks(0.0) == []
    assert numbers(window.drain(0.0)) == [2, 1_500]
    assert window.lost == 1 + 1_497


def test_a_far_packet_is_believed_when_another_one_follows_it():
    window = VideoReorderWindow()
    window.push(packet(0))
    window.push(packet(2))
    window.drain(0.0)
    assert window.push(packet(10_000)) is Taken.STRAY
    assert window.push(packet(10_002)) is Taken.RESTART
    assert numbers(window.drain(0.0)) == [10_000]
    assert window.nacks(0.0) == [(FIRST + 10_001) & 0xFFFF]
    window.push(packet(10_001))
    out = window.drain(0.0)
    assert numbers(out) == [10_001, 10_002]
    assert window.lost == 2  # number 1, and number 2 that waited for it


def test_a_far_packet_alone_changes_nothing():
    window = VideoReorderWindow()
    window.push(packet(0))
    assert window.push(packet(20_000)) is Taken.STRAY
    assert window.push(packet(1)) is Taken.FITS
    assert window.push(packet(20_001)) is Taken.STRAY
    assert window.push(packet(30_001)) is Taken.STRAY
    assert numbers(window.drain(0.0)) == [0, 1]


def test_nothing_can_be_repaired_before_the_stream_began():
    assert VideoReorderWindow().repair(packet(3)) is Taken.LATE


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 0xFFFF), max_size=200))
def test_whatever_numbers_come_the_window_stays_bounded_and_lets_go(sequences):
    window = VideoReorderWindow()
    for at, sequence in enumerate(sequences):
        window.push(VideoPacket(b"x", sequence, 0, marker=False, arrival=at / 100))
        window.drain(at / 100)
        assert len(window) <= MOST_WAITING + 1
    window.drain(1_000.0)
    assert len(window) == 0


def test_after_hours_of_losses_no_more_is_remembered_than_after_minutes():
    window = VideoReorderWindow()
    for number in range(30_000):
        if number % 10:
            window.push(packet(number, at=float(number)))
            window.drain(number + PATIENCE_S)
    assert len(window._given_up) <= 600
