import pytest

from clankvox.demo.golive_checks import check_golive
from clankvox.demo.sights import Sight, Sights

GOOD = Sights(
    watched=Sight(179, 180, 29.9, 15.0, 50),
    published=Sight(180, 180, 30.0, 60.0, 50),
    first_picture_ms=200.0,
    recoveries_ms=(160,),
    clear_pictures=0,
    jpegs=(),
    sheet=None,
)


def wrong(sights):
    judged = list(check_golive(sights))
    assert all(check.name and check.measured and check.bar for check in judged)
    return [check.name for check in judged if not check.passed]


def test_a_good_act_is_green():
    assert wrong(GOOD) == []


@pytest.mark.parametrize("direction", ["watched", "published"])
@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"pictures": 170}, "pictures"),
        ({"pictures": 0, "expected": 0}, "pictures"),
        ({"fps": 20.0}, "pictures per second"),
        ({"latency_ms": 600.0}, "picture latency"),
        ({"latency_ms": None}, "picture latency"),
    ],
)
def test_each_direction_has_its_bars(direction, changes, name):
    sight = getattr(GOOD, direction)._replace(**changes)
    assert wrong(GOOD._replace(**{direction: sight})) == [f"{direction}: {name}"]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"first_picture_ms": None}, "watched: first picture"),
        ({"first_picture_ms": 4_000.0}, "watched: first picture"),
        ({"recoveries_ms": ()}, "published: recovery by a key frame"),
        ({"recoveries_ms": (2_500,)}, "published: recovery by a key frame"),
        ({"clear_pictures": 1}, "published: nothing left unencrypted"),
        ({"clear_pictures": -1}, "published: nothing left unencrypted"),
    ],
)
def test_first_picture_recovery_and_encryption_have_theirs(changes, name):
    assert wrong(GOOD._replace(**changes)) == [name]


def test_only_what_a_busy_machine_can_cause_counts_as_timing():
    timed = {check.name.split(": ")[-1] for check in check_golive(GOOD) if check.timing}
    assert timed == {
        "pictures",
        "pictures per second",
        "picture latency",
        "first picture",
        "recovery by a key frame",
    }
