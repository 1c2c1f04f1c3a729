"""Whom the parent wants to see, over one call and the next."""

from clankvox.actors.viewing import Viewing
from clankvox.ids import UserId
from clankvox.messages.video import SubscribeVideo, UnsubscribeVideo


def want(user, decode_vp8=False):
    return SubscribeVideo(
        user_id=UserId(user),
        max_frames_per_second=2,
        quality=100,
        pixel_count=None,
        stream_type=None,
        jpeg_quality=60,
        decode_vp8=decode_vp8,
    )


def forget(user):
    return UnsubscribeVideo(user_id=UserId(user))


def test_a_call_in_another_form_changes_every_order_and_nothing_else_of_it():
    viewing = Viewing()
    for user in (42, 43):
        assert viewing.noted(want(user)) == want(user)
    assert viewing.joined(decode_vp8=True) == [want(42, decode_vp8=True), want(43, decode_vp8=True)]
    assert viewing.joined(decode_vp8=False) == [want(42), want(43)]


def test_a_call_in_the_same_form_changes_nothing():
    viewing = Viewing()
    viewing.noted(want(42, decode_vp8=True))
    assert viewing.joined(decode_vp8=True) == []


def test_who_is_not_wanted_any_more_is_forgotten():
    viewing = Viewing()
    viewing.noted(want(42))
    for user in (42, 43):
        assert viewing.noted(forget(user)) == forget(user)
    assert viewing.joined(decode_vp8=True) == []
