from clankvox.actors.supervision import RESTARTS, WINDOW_S, Supervision
from clankvox.ids import MUSIC, PLAYBACK, UserId, capture_address


def test_three_restarts_in_ten_seconds_and_no_fourth():
    supervision = Supervision()
    assert [supervision.admit(PLAYBACK, "Bug", at) for at in (0.0, 1.0, 2.0, 9.9)] == [True] * RESTARTS + [False]
    assert supervision.admit(PLAYBACK, "Bug", WINDOW_S)


def test_each_actor_has_its_own_budget():
    supervision = Supervision()
    for _ in range(RESTARTS + 1):
        supervision.admit(PLAYBACK, "Bug", 0.0)
    assert supervision.admit(MUSIC, "Bug", 0.0)


def test_failures_are_counted_by_place_and_cause():
    supervision = Supervision()
    for user, error in ((1, "Bug"), (1, "Bug"), (1, "ValueError"), (2, "Bug")):
        supervision.admit(capture_address(UserId(user)), error, 0.0)
    assert supervision.causes(capture_address(UserId(1))) == {"Bug": 2, "ValueError": 1}
    assert supervision.causes(MUSIC) == {}


def test_what_is_remembered_of_many_users_is_bounded():
    supervision = Supervision()
    for user in range(3_000):
        assert supervision.admit(capture_address(UserId(user)), "Bug", 0.0)
    assert len(supervision._budgets) == len(supervision._causes) == 1_024
