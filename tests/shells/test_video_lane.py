"""When packets of pictures leave: by the numbers of their sub-slots, without a thread."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.ids import Ssrc
from clankvox.shells.video_lane import LONGEST_BACKLOG_S, PACKETS_A_SUB_SLOT, SUB_SLOT_S, VideoLane

A, RTX = Ssrc(1), Ssrc(2)


def drain(lane, now=0.0, late_s=0.0):
    """Serve every sub-slot when it is due; returns (instant, packets) of each."""
    served = []
    while lane.due_s() < math.inf:
        now = max(now, lane.due_s() + late_s)
        served.append((now, lane.take(now)))
    return served


def flat(served):
    return [packet for _, packets in served for packet in packets]


@given(counts=st.lists(st.integers(1, 300), min_size=1, max_size=8), spread=st.floats(0, 0.2), late=st.floats(0, 0.1))
@settings(max_examples=150, deadline=None)
def test_packets_leave_in_order_once_and_at_most_eight_in_two_milliseconds(counts, spread, late):
    lane, number = VideoLane(), 0
    queued = []
    for count in counts:
        packets = list(range(number, number + count))
        number += count
        if lane.queue(A, packets, spread, 0.0):
            queued += packets
    served = drain(lane, late_s=late)
    assert flat(served) == queued
    assert all(len(packets) <= PACKETS_A_SUB_SLOT for _, packets in served)
    assert all(later - earlier >= SUB_SLOT_S - 1e-9 for (earlier, _), (later, _) in itertools.pairwise(served))


@pytest.mark.parametrize(("count", "largest"), [(9, 1), (30, 2), (60, 4), (120, 8), (500, 8)])
def test_a_picture_is_spread_over_its_time_and_never_a_burst(count, largest):
    lane = VideoLane()
    lane.queue(A, range(count), 0.03, 0.0)
    served = drain(lane)
    assert max(len(packets) for _, packets in served) == largest
    needed_s = max(0.03, count / PACKETS_A_SUB_SLOT * SUB_SLOT_S)
    assert served[-1][0] <= needed_s
    assert served[-1][0] >= needed_s * 0.5


def test_the_next_picture_begins_when_the_one_before_has_left():
    lane = VideoLane()
    lane.queue(A, ["a1", "a2"], 0.02, 0.0)
    lane.queue(A, ["b1"], 0.02, 0.0)
    times = {packet: at for at, packets in drain(lane) for packet in packets}
    assert times == {"a1": 0.0, "a2": pytest.approx(0.01), "b1": pytest.approx(0.02)}


def test_a_retransmission_does_not_wait_behind_the_picture():
    lane = VideoLane()
    lane.queue(A, range(40), 0.03, 0.0)
    lane.take(0.0)
    lane.queue(RTX, ["again"], 0.0, 0.003)
    served = drain(lane, 0.003)
    assert "again" in served[0][1]


def test_a_late_start_catches_up_by_full_sub_slots_and_not_at_once():
    lane = VideoLane()
    lane.queue(A, range(40), 0.03, 0.0)
    served = drain(lane, now=1.0)
    assert [len(packets) for _, packets in served] == [8] * 5
    assert served[-1][0] == pytest.approx(1.0 + 4 * SUB_SLOT_S)


def test_what_would_leave_in_more_than_three_seconds_is_refused_whole():
    lane = VideoLane()
    accepted = sum(lane.queue(A, range(30), 0.03, 0.0) for _ in range(200))
    assert accepted == pytest.approx(LONGEST_BACKLOG_S / 0.03, abs=2)
    assert lane.backlog_s(A, 0.0) <= LONGEST_BACKLOG_S
    assert len(flat(drain(lane))) == accepted * 30
    assert lane.backlog_s(A, 0.0) == 0.0


def test_one_refused_picture_alone_leaves_nothing_behind():
    lane = VideoLane()
    assert not lane.queue(A, range(20_000), 0.03, 0.0)
    assert lane.due_s() == math.inf


def test_clearing_lets_the_picture_that_has_begun_finish():
    lane = VideoLane()
    for name in "abc":
        lane.queue(A, [f"{name}{number}" for number in range(30)], 0.03, 0.0)
    lane.queue(RTX, ["again"], 0.0, 0.0)
    first = lane.take(0.0)
    assert [packet[0] for packet in lane.clear(A)] == ["b"] * 30 + ["c"] * 30
    assert sorted([*first, *flat(drain(lane, 0.002))]) == sorted([*(f"a{number}" for number in range(30)), "again"])


def test_clearing_before_anything_has_left_takes_all():
    lane = VideoLane()
    lane.queue(A, range(3), 0.03, 0.0)
    assert lane.clear(A) == [0, 1, 2]
    assert lane.clear(A) == []
    assert lane.due_s() == math.inf


def test_dropping_takes_the_rest_of_a_begun_picture_too():
    lane = VideoLane()
    lane.queue(A, range(30), 0.03, 0.0)
    begun = lane.take(0.0)
    assert lane.drop(A) == list(range(len(begun), 30))
    assert lane.due_s() == math.inf
    assert lane.backlog_s(A, 0.0) == 0.0


def test_a_picture_without_packets_is_nothing():
    lane = VideoLane()
    assert lane.queue(A, [], 0.03, 0.0)
    assert lane.due_s() == math.inf
