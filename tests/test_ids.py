import pytest

from clankvox.ids import Attempt, Role, capture_address, connection_address, dave_address, next_attempt


def test_attempts_count_up():
    assert next_attempt(Attempt(1)) == 2


@pytest.mark.parametrize("make", [connection_address, dave_address])
def test_every_role_has_its_own_actors(make):
    assert len({make(role) for role in Role}) == len(Role)
    assert make(Role.VOICE) == make(Role.VOICE)


def test_every_user_of_every_role_has_its_own_capture():
    addresses = {capture_address(user, role) for user in (1, 2) for role in Role}
    assert len(addresses) == 2 * len(Role)
    assert capture_address(1) == capture_address(1, Role.VOICE)
