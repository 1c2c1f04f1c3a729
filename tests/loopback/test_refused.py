"""Why a frame was refused, told from the keys that open it. Real keys: tests/peers/test_our_frames."""

import pytest

from clankvox.errors import OpenFailed
from clankvox.loopback.refused import Refusal, RefusedFrames

SENDER, OTHER = 7, 8


class Keys:
    """An engine that opens the frames that are named, now or for the groups it has left."""

    def __init__(self):
        self.now, self.left = set(), set()

    def decrypt(self, _user, frame):
        if frame not in self.now:
            raise OpenFailed("no key")
        return frame

    def decrypt_retired(self, _user, frame):
        if frame not in self.left:
            raise OpenFailed("no key")
        return frame


@pytest.fixture
def keys():
    return Keys()


@pytest.fixture
def refused(keys):
    return RefusedFrames(keys)


def counted(refused, user=SENDER):
    return {why: count for why, count in refused.counts.get(user, {}).items() if count}


def test_a_frame_before_any_of_its_sender_opened_was_sealed_without_us(refused):
    refused.note(SENDER, b"old", told=True)
    refused.opened(SENDER)
    refused.note(SENDER, b"forged", told=True)
    assert counted(refused) == {Refusal.OUTSIDE: 1, Refusal.UNEXPLAINED: 1}


@pytest.mark.parametrize(("at_once", "why"), [(False, Refusal.EARLY), (True, Refusal.EARLY_AT_ONCE)])
@pytest.mark.parametrize("heard", [False, True])
def test_a_frame_that_a_later_key_opens_came_before_its_key(refused, keys, heard, at_once, why):
    if heard:
        refused.opened(SENDER)
    refused.note(SENDER, b"new", told=True)
    refused.try_again(at_once=at_once)
    keys.now.add(b"new")
    refused.try_again(at_once=at_once)
    refused.try_again(at_once=not at_once)
    assert counted(refused) == {why: 1}


@pytest.mark.parametrize(("told", "why"), [(True, Refusal.RETIRED), (False, Refusal.IN_FLIGHT)])
def test_a_frame_for_a_group_that_was_left_came_too_late_unless_its_sender_could_not_know(refused, keys, told, why):
    keys.left.add(b"late")
    refused.note(SENDER, b"late", told=told)
    assert counted(refused) == {why: 1}


@pytest.mark.parametrize(("told", "why"), [(True, Refusal.CLEAR), (False, Refusal.IN_FLIGHT)])
def test_a_clear_frame_is_a_fault_unless_its_sender_could_not_know(refused, told, why):
    refused.clear(SENDER, told=told)
    assert counted(refused) == {why: 1}


def test_who_gave_its_group_up_is_outside_until_another_is_in_force(refused, keys):
    keys.left |= {b"late", b"later"}
    refused.begun_anew(gave_up=True)
    refused.opened(SENDER)
    refused.note(SENDER, b"new", told=True)
    refused.note(SENDER, b"late", told=True)
    refused.in_force()
    refused.note(SENDER, b"later", told=True)
    assert counted(refused) == {Refusal.OUTSIDE: 2, Refusal.RETIRED: 1}


def test_another_group_begins_without_anybody_having_been_heard(refused):
    refused.opened(SENDER)
    refused.begun_anew(gave_up=False)
    refused.note(SENDER, b"x", told=True)
    refused.note(OTHER, b"y", told=True)
    assert (counted(refused), counted(refused, OTHER)) == ({Refusal.OUTSIDE: 1}, {Refusal.OUTSIDE: 1})
