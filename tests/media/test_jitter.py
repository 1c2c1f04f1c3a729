import random

import pytest

from clankvox.media.jitter import LONGEST_WAIT_S, SHORTEST_WAIT_S, ArrivalJitter


def waited(lateness, packets=600, drift=1.0, start=0xFFFF_0000):
    jitter = ArrivalJitter()
    for n in range(packets):
        jitter.observe(n * 0.02 * drift + lateness(n), (start + n * 960) & 0xFFFF_FFFF)
    return jitter.wait_s


def test_while_it_learns_it_waits_longest():
    assert waited(lambda _: 0.0, packets=10) == LONGEST_WAIT_S


def test_an_even_stream_needs_the_shortest_wait():
    assert waited(lambda _: 0.0) == SHORTEST_WAIT_S


@pytest.mark.parametrize("drift", [1 + 1e-4, 1 - 1e-4])
def test_clock_drift_is_not_jitter(drift):
    assert waited(lambda _: 0.0, packets=20_000, drift=drift) == SHORTEST_WAIT_S


def test_jitter_is_waited_out():
    rng = random.Random(4)
    assert 0.025 < waited(lambda _: rng.uniform(0, 0.025)) <= 0.045


def test_it_never_waits_longer_than_60_ms():
    rng = random.Random(4)
    assert waited(lambda _: rng.uniform(0, 0.2)) == LONGEST_WAIT_S


def test_a_pause_in_which_the_clock_stood_still_is_not_jitter():
    assert waited(lambda n: 5.0 * (n // 100)) == SHORTEST_WAIT_S


def test_calm_after_a_storm_brings_the_wait_down():
    rng = random.Random(4)
    assert waited(lambda n: rng.uniform(0, 0.06) if n < 200 else 0.0, packets=2_000) == SHORTEST_WAIT_S
