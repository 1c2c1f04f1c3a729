from itertools import pairwise

import pytest

from clankvox.loopback.impairment import Impairment, Link

PACKETS = 2000


def through(impairment, name="up/1", packets=PACKETS):
    """Returns the link, and (release, index) of each copy that arrives, in order of arrival."""
    link = Link(name)
    link.impair(impairment)
    arrivals = [(release, index) for index in range(packets) for release in link.plan(index * 0.02)]
    return link, sorted(arrivals, key=lambda arrival: arrival[0])


@pytest.mark.parametrize("loss", [0.0, 0.05, 0.3, 1.0])
def test_the_stated_share_is_lost(loss):
    link, arrivals = through(Impairment(loss=loss, duplicate=0.0001))
    assert len({index for _, index in arrivals}) == PACKETS - link.counters["lost"]
    assert link.counters["lost"] / PACKETS == pytest.approx(loss, abs=0.03)


def test_the_stated_share_is_doubled():
    link, arrivals = through(Impairment(duplicate=0.2))
    assert len(arrivals) == PACKETS + link.counters["duplicated"]
    assert link.counters["duplicated"] / PACKETS == pytest.approx(0.2, abs=0.03)


def test_jitter_delays_up_to_the_stated_time_and_keeps_the_order():
    _, arrivals = through(Impairment(jitter_ms=60))
    delays = [release - index * 0.02 for release, index in arrivals]
    assert [index for _, index in arrivals] == list(range(PACKETS))
    assert min(delays) >= 0
    assert 0.055 < max(delays) <= 0.060


def test_reordered_packets_arrive_behind_their_successors():
    link, arrivals = through(Impairment(reorder=0.1))
    order = [index for _, index in arrivals]
    overtaken = sum(later < earlier for earlier, later in pairwise(order))
    assert sorted(order) == list(range(PACKETS))
    assert link.counters["reordered"] / PACKETS == pytest.approx(0.1, abs=0.03)
    assert overtaken > 0.8 * link.counters["reordered"]


def test_the_seed_and_the_name_decide_everything():
    faults = Impairment(loss=0.1, jitter_ms=30, reorder=0.1, duplicate=0.1, seed=7)
    assert through(faults)[1] == through(faults)[1]
    assert through(faults)[1] != through(faults, name="down/1")[1]
    assert through(faults)[1] != through(Impairment(loss=0.1, jitter_ms=30, reorder=0.1, duplicate=0.1, seed=8))[1]


def test_one_fault_does_not_shift_the_sequence_of_another():
    alone = {index for _, index in through(Impairment(loss=0.2))[1]}
    together = {index for _, index in through(Impairment(loss=0.2, jitter_ms=20, duplicate=0.5))[1]}
    assert alone == together


def test_a_link_without_faults_is_clean():
    link = Link("up/1")
    assert link.clean
    link.impair(Impairment(loss=0.5))
    assert not link.clean
    link.impair(Impairment())
    assert link.clean
