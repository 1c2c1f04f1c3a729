"""The whole call in real DAVE groups: after every change we are heard and hear, and nothing leaves in clear."""

import pytest

from tests.support.factory import SELF, short
from tests.support.room_call import RoomCall, assert_heard_and_hearing

FRAME = b"\xfc" + bytes(range(40))


def dave_events(room):
    return [line for line in short(room.call.events()) if line.startswith("dave_state")]


@pytest.mark.parametrize("others", [(42,), (42, 43, 44)])
def test_we_join_those_who_are_there(others):
    room = RoomCall(*others)
    assert dave_events(room) == ["dave_state voice negotiating 1", "dave_state voice ready 1"]
    assert_heard_and_hearing(room)


def test_others_join_us_alone():
    room = RoomCall()
    room.call.audio(None, 300)
    room.call.run(1.0)
    assert room.call.left() == []
    assert dave_events(room)[-1] == "dave_state voice ready 1"
    room.join(42)
    room.run()
    assert_heard_and_hearing(room)
    assert dave_events(room) == []


def test_members_come_and_go():
    room = RoomCall(42)
    for change, user in ((room.join, 43), (room.leave, 42), (room.join, 44), (room.leave, 43)):
        change(user)
        room.run()
        assert_heard_and_hearing(room)


def test_the_channel_empties_and_refills():
    room = RoomCall(42)
    room.leave(42)
    room.run()
    room.call.left()
    room.join(43)
    room.run()
    assert_heard_and_hearing(room)


def test_a_bad_commit_is_recovered():
    room = RoomCall(42, 43)
    room.apply(room.service.corrupt_next_commit_for(SELF))
    room.leave(43)
    room.run()
    assert room.happenings("invalid_commit")
    assert_heard_and_hearing(room)


def test_a_downgrade_and_an_upgrade():
    room = RoomCall(42)
    dave_events(room)
    room.apply(room.service.prepare_downgrade())
    room.run()
    assert dave_events(room) == ["dave_state voice disabled 0"]
    assert_heard_and_hearing(room, version=0)
    room.apply(room.service.prepare_upgrade())
    room.run()
    assert dave_events(room) == ["dave_state voice negotiating 1", "dave_state voice ready 1"]
    assert_heard_and_hearing(room)


def test_a_lost_connection_comes_back_into_the_group():
    room = RoomCall(42)
    room.call.server.lost()
    room.call.run(1.1)
    room.drop()
    room.enter()
    assert_heard_and_hearing(room)
