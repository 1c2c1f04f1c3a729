import random
from itertools import pairwise

import pytest

from clankvox.media.picture_gate import PictureGate


@pytest.mark.parametrize(
    ("source", "wanted", "shown"), [(30, 2, 20), (30, 30, 300), (30, 1, 10), (10, 30, 100), (30, 7, 70)]
)
def test_so_many_a_second_are_shown_and_the_first_one_always(source, wanted, shown):
    rng = random.Random(1)
    gate = PictureGate()
    times = [index / source + rng.uniform(0, 0.003) for index in range(10 * source)]
    admitted = [now for now in times if gate.admit(wanted, now)]
    assert admitted[0] == times[0]
    assert abs(len(admitted) - shown) <= max(1, shown // 15)
    assert min((b - a for a, b in pairwise(admitted)), default=1) >= 0.9 / wanted - 1e-9


def test_a_pause_earns_no_burst():
    gate = PictureGate()
    assert gate.admit(2, 0.0)
    assert [gate.admit(2, 60.0 + n * 0.1) for n in range(6)] == [True, False, False, False, False, True]


def test_a_new_rate_holds_from_the_next_picture_on_and_a_reset_admits():
    gate = PictureGate()
    gate.admit(1, 0.0)
    assert not gate.admit(30, 0.5)
    assert gate.admit(30, 1.0)
    assert gate.admit(30, 1.04)
    assert not gate.admit(30, 1.05)
    gate.reset()
    assert gate.admit(30, 1.05)
