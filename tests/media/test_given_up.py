from clankvox.media.given_up import FARTHEST_PACKETS, GivenUp


def test_what_was_given_up_is_known_until_it_came_and_then_no_more():
    given_up = GivenUp()
    given_up.add([70_000, 70_001], 70_002)
    assert 70_001 in given_up
    assert given_up.found(70_001)
    assert not given_up.found(70_001)
    assert 70_001 not in given_up
    assert 70_000 in given_up


def test_every_packet_that_may_still_come_is_known_and_hours_of_losses_are_not():
    given_up = GivenUp()
    for lost in range(0, 20 * FARTHEST_PACKETS, 50):
        given_up.add([lost], lost + 1)
        may_come = range(max(lost + 50 - FARTHEST_PACKETS, 0) // 50 * 50, lost + 1, 50)
        assert all(each in given_up for each in may_come[1:])
        assert len(given_up) <= 2 * FARTHEST_PACKETS // 50


def test_another_sequence_begins_with_nothing_given_up():
    given_up = GivenUp()
    given_up.add([90_000], 90_001)
    given_up.clear()
    assert len(given_up) == 0
    given_up.add([3], 4)
    assert 3 in given_up
