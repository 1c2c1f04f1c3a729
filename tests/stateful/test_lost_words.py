"""What we say of the group goes down with the socket, once each: after the resume we hear and are heard as before."""

import pytest

from clankvox.actors.dave import REPLAY_S
from clankvox.wire.gateway_ops import Op, decode_client_binary, decode_json
from tests.support.factory import SELF
from tests.support.room_call import RoomCall, assert_heard_and_hearing

DAVEY, LIBDAVE, NEWCOMER = 42, 43, 44
FRAME = b"\xfc" + bytes(range(40))


class LosingRoom(RoomCall):
    """The socket is cut just before the message that is to be lost; what the server says meanwhile waits for op 9."""

    def __init__(self, lost: Op | None) -> None:
        self.lost: Op | None = None
        self.cuts = 0
        super().__init__(DAVEY)
        self.join(LIBDAVE, "libdave")
        self.run()
        self.lost = lost

    def _listen(self) -> None:
        ops = [_op_of(frame) for frame in self.call.web_socket.sent[self._heard :]]
        if self.lost is None or self.lost not in ops:
            super()._listen()
            return
        self.lost, self.cuts = None, self.cuts + 1
        self._heard = len(self.call.web_socket.sent)
        held, self._down[SELF] = self._down[SELF], type(self._down[SELF])()
        self.call.server.reset()
        self.call.drain()
        self.call.server.resumed()
        self._down[SELF].extend(held)


def _op_of(frame):
    return decode_client_binary(frame)[0] if isinstance(frame, bytes) else decode_json(frame).op


def somebody_joins(room):
    room.join(NEWCOMER)


def only_we_can_commit(room):
    room.muted |= {DAVEY, LIBDAVE}
    room.join(NEWCOMER)


def we_cannot_follow(room):
    room.apply(room.service.corrupt_next_commit_for(SELF))
    room.join(NEWCOMER)


def we_are_left_alone(room):
    room.leave(DAVEY)
    room.flush()
    room.leave(LIBDAVE)
    room.flush()
    room.join(NEWCOMER, "libdave")


def all_fall_back(room):
    room.apply(room.service.prepare_downgrade())
    room.flush()
    room.call.run(2 * REPLAY_S)
    room.run()
    room.apply(room.service.prepare_upgrade())


@pytest.mark.parametrize(
    ("lost", "change"),
    [
        (Op.MLS_KEY_PACKAGE, we_are_left_alone),
        (Op.MLS_KEY_PACKAGE, all_fall_back),
        (Op.MLS_COMMIT_WELCOME, only_we_can_commit),
        (Op.MLS_COMMIT_WELCOME, somebody_joins),
        (Op.TRANSITION_READY, somebody_joins),
        (Op.TRANSITION_READY, all_fall_back),
        (Op.INVALID_COMMIT_WELCOME, we_cannot_follow),
        (Op.MLS_KEY_PACKAGE, we_cannot_follow),
    ],
)
def test_a_word_that_goes_down_with_the_socket_makes_us_neither_deaf_nor_mute(lost, change):
    room = LosingRoom(lost)
    change(room)
    room.flush()
    room.call.run(2 * REPLAY_S)
    room.flush()
    room.call.run(SETTLES_S)
    room.run()
    assert room.cuts == 1
    assert room.happenings("expired") == [], "the server did not have to give up waiting for us"
    assert SELF in room.service.group_members
    assert_heard_and_hearing(room)


SETTLES_S = 1.5
"""What waits for op 22 or to recover is done by then."""


@pytest.mark.parametrize("steps", range(1, 9))
def test_what_the_server_has_got_changes_nothing_when_it_is_said_again(steps):
    room = LosingRoom(None)
    room.muted |= {DAVEY, LIBDAVE}
    room.join(NEWCOMER)
    for _ in range(steps):
        room.step()
    room.call.server.reset()
    room.call.drain()
    room.call.server.resumed()
    room.call.run(2 * REPLAY_S)
    room.flush()
    room.call.run(SETTLES_S)
    room.run()
    assert room.happenings("invalid_commit") == []
    assert_heard_and_hearing(room)
