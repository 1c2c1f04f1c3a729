from dataclasses import replace

import pytest

from clankvox.errors import WireError
from clankvox.loopback.mls import split_commit_welcome
from clankvox.wire.gateway_ops import Op
from tests.support.dave_room import DaveRoom

A, B, C, D = 100, 200, 300, 400


class Captured(DaveRoom):
    """A room whose commits can be held back."""

    def __init__(self):
        super().__init__()
        self.commits = {}
        self.hold = False

    def to_server(self, user, answer):
        if answer.op is Op.MLS_COMMIT_WELCOME and self.hold:
            self.commits[user] = answer.payload
        else:
            super().to_server(user, answer)

    def accept(self, author, data):
        return self.service._group.accept(self.service._batch, author, data)


@pytest.fixture
def room():
    made = Captured()
    for user in (A, B, C):
        made.join(user)
        made.run()
    made.hold = True
    return made


def held_join(room):
    room.join(D, "libdave")
    room.flush()
    return room.commits


def held_leave(room):
    room.leave(C)
    room.flush()
    return room.commits


def assert_refused(room, author, data):
    before = dict(room.service._group.leaves), room.service.epoch
    with pytest.raises(WireError):
        room.accept(author, data)
    assert (room.service._group.leaves, room.service.epoch) == before


def test_a_genuine_commit_of_a_member_is_accepted(room):
    commit = held_join(room)[B]
    raw, added = room.accept(B, commit)
    assert commit.startswith(raw)
    assert [(one.package.leaf.user_id, one.leaf) for one in added] == [(D, 3)]
    assert room.service.epoch == 3


def test_a_commit_sent_by_another_member_than_its_leaf_is_refused(room):
    assert_refused(room, A, held_join(room)[B])


def test_a_commit_of_a_past_epoch_is_refused(room):
    commit = held_join(room)[A]
    room.accept(A, commit)
    assert_refused(room, A, commit)


def test_a_commit_without_its_welcome_is_refused(room):
    commit, _ = split_commit_welcome(held_join(room)[A])
    assert_refused(room, A, commit.raw)


def test_a_welcome_without_an_add_is_refused(room):
    assert_refused(room, A, held_leave(room)[A] + b"\x00\x02\x00\x00")


def test_a_commit_of_another_batch_is_refused(room):
    commit = held_join(room)[A]
    room.service._batch = room.service._group.propose([], [2], [A, B])
    assert_refused(room, A, commit)


def test_a_commit_of_only_a_part_of_the_batch_is_refused(room):
    commit = held_join(room)[A]
    batch = room.service._batch
    room.service._batch = replace(batch, adds={**batch.adds, b"r" * 32: batch.package_of(D)})
    assert_refused(room, A, commit)


def test_a_removing_commit_has_its_authors_identity_in_its_path(room):
    commits = held_leave(room)
    path = split_commit_welcome(commits[A])[0].path_leaf
    assert path is not None
    assert path.user_id == A
    room.service._group.leaves[0] = room.service._group.leaves[1]
    assert_refused(room, B, commits[A])


def test_a_removing_commit_frees_its_leaf_for_the_next_join(room):
    room.hold = False
    room.leave(B)
    room.run()
    assert sorted(room.service._group.leaves) == [0, 2]
    room.join(D)
    room.run().assert_all_hear_all()
    assert room.service._group.leaves[1].user_id == D
    assert room.members[D]._engine._session.own_leaf_index == 1


def test_leaves_are_those_that_the_members_know(room):
    room.hold = False
    for leave, join in ((A, D), (C, A), (B, C)):
        room.leave(leave)
        room.join(join)
        room.run().assert_all_hear_all()
        for leaf, node in room.service._group.leaves.items():
            assert room.members[node.user_id]._engine._session.own_leaf_index == leaf


def test_the_first_commit_omits_its_authors_own_add():
    room = Captured()
    room.hold = True
    for user in (A, B, C):
        room.join(user)
    room.flush()
    batch = room.service._batch
    assert batch.initial
    assert all(len(batch.expected_refs(user)) == len(batch.adds) - 1 for user in batch.payloads)
    assert_refused(room, A, room.commits[B])
    _, added = room.accept(B, room.commits[B])
    assert {one.package.leaf.user_id: one.leaf for one in added}.keys() == batch.payloads.keys() - {B}
