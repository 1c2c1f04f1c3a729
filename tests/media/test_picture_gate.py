import random
from itertools import pairwise

import pytest

from clankvox.media.picture_gate import PictureGate

TICKS = 90_000
START = 0xFFFF_0000


def admitted(gate, wanted, pictures):
    """Media times of those that pass, of (media time, arrival) in seconds."""
    return [made for made, at in pictures if gate.admit(wanted, START + round(made * TICKS) & 0xFFFF_FFFF, at)]


@pytest.mark.parametrize(
    ("source", "wanted", "shown"),
    [(30, 2, 20), (30, 30, 300), (29.97, 30, 300), (30, 1, 10), (10, 30, 100), (30, 7, 70)],
)
def test_so_many_a_second_are_shown_and_the_first_one_always(source, wanted, shown):
    rng = random.Random(1)
    times = [index / source for index in range(round(10 * source))]
    passed = admitted(PictureGate(), wanted, [(made, 50 + made + rng.uniform(0, 0.05)) for made in times])
    assert passed[0] == 0
    assert abs(len(passed) - shown) <= max(1, shown // 10)
    assert min((b - a for a, b in pairwise(passed)), default=1) >= max(0.5 / wanted, 1 / wanted - 0.020) - 1e-4


def test_a_source_of_just_the_wanted_rate_loses_nothing_though_it_is_uneven():
    rng = random.Random(2)
    pictures = [(index / 30 + rng.uniform(0, 0.015), index / 30) for index in range(300)]
    assert len(admitted(PictureGate(), 30, pictures)) == 300


def test_pictures_that_come_in_a_bunch_pass_at_a_high_rate():
    pictures = [(index / 30, max(index / 30, 1.2 if index > 30 else 0)) for index in range(60)]
    assert len(admitted(PictureGate(), 30, pictures)) == 60


def test_at_a_low_rate_pictures_do_not_come_closer_than_nine_tenths_of_a_second():
    late = {30: 0.25}
    pictures = [(index / 30, index / 30 + late.get(index, 0.0)) for index in range(200)]
    gate = PictureGate()
    arrivals = [at for made, at in pictures if gate.admit(1, round(made * TICKS), at)]
    assert arrivals[1] == 1.25
    assert min(b - a for a, b in pairwise(arrivals)) >= 0.9 - 1e-9


def test_a_pause_earns_no_burst():
    gate = PictureGate()
    assert admitted(gate, 2, [(0, 0)])
    assert admitted(gate, 2, [(60 + n / 10, 60 + n / 10) for n in range(6)]) == [60, 60.5]


@pytest.mark.parametrize("jump_s", [-7_000.0, -5.0, 3.0, 9_000.0])
def test_a_clock_that_jumps_stops_nothing_and_floods_nothing(jump_s):
    gate = PictureGate()
    pictures = [(n / 30 + (jump_s if n > 45 else 0.0), n / 30) for n in range(300)]
    assert 18 <= len(admitted(gate, 2, pictures)) <= 22


@pytest.mark.parametrize("step_s", [0.0, 0.4, 0.6, 100.0])
def test_a_clock_that_lies_floods_nothing(step_s):
    pictures = [(n * step_s, n / 60) for n in range(600)]
    for wanted in (2, 10):
        assert 1 <= len(admitted(PictureGate(), wanted, pictures)) <= 12 * wanted


def test_a_new_rate_holds_from_the_next_picture_on():
    gate = PictureGate()
    assert admitted(gate, 1, [(0, 0)])
    assert admitted(gate, 30, [(at, at) for at in (0.5, 1.0, 1.04, 1.05)]) == [1.0, 1.04]
