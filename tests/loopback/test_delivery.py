import random

import pytest

from clankvox.loopback.delivery import Phase
from clankvox.loopback.member import Answer
from clankvox.wire.gateway_ops import Op, PrepareEpoch, PrepareTransition
from tests.support.dave_room import PLAIN, DaveRoom

A, B, C, D, E = 100, 200, 300, 400, 500
PAIRS = [("davey", "davey"), ("davey", "libdave"), ("libdave", "davey"), ("libdave", "libdave")]


def room_of(*libraries, rng=None):
    room = DaveRoom(rng)
    for number, library in enumerate(libraries, 1):
        room.join(number * 100, library)
    return room.run()


def json_to(room, user):
    return [
        message.payload for message in room.sent if message.user_id == user and not isinstance(message.payload, bytes)
    ]


def transition_of(message):
    return int.from_bytes(message.payload[:2], "big")


def test_the_first_member_gets_the_external_sender_and_nothing_else():
    room = room_of("davey")
    assert room.ops_to(A) == [Op.MLS_EXTERNAL_SENDER]
    assert room.service.epoch == 0


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("silent", [A, B])
def test_two_members_form_a_group_whoever_commits(pair, silent):
    room = DaveRoom()
    room.muted = {silent}
    room.join(A, pair[0])
    room.join(B, pair[1])
    room.run().assert_all_hear_all()
    winner = B if silent == A else A
    assert room.ops_to(winner)[-1] is Op.MLS_ANNOUNCE_COMMIT
    assert room.ops_to(silent)[-1] is Op.MLS_WELCOME
    assert room.happenings("epoch") == [{"epoch": 1, "members": 2, "author": str(winner)}]
    assert Op.EXECUTE_TRANSITION not in room.ops_to(A) + room.ops_to(B)


@pytest.mark.parametrize("libraries", [("davey",) * 4, ("libdave",) * 4, ("davey", "libdave", "davey", "libdave")])
def test_every_join_and_leave_ends_with_all_hearing_all(libraries):
    room = DaveRoom()
    for number, library in enumerate(libraries, 1):
        room.join(number * 100, library)
        room.run().assert_all_hear_all()
    assert room.service.epoch == 3
    for user in (A, C):
        room.leave(user)
        room.run().assert_all_hear_all()
    assert room.service.epoch == 5


def test_a_joiner_gets_no_proposals_and_only_its_own_welcome():
    room = room_of("davey", "libdave", "davey")
    assert room.ops_to(C) == [Op.MLS_EXTERNAL_SENDER, Op.MLS_WELCOME, Op.EXECUTE_TRANSITION]
    assert Op.MLS_WELCOME not in room.ops_to(A)[3:]


def test_later_transitions_have_ids_from_1_and_execute_once_all_are_ready():
    room = room_of("davey", "davey", "davey")
    welcome = next(message for message in room.sent if message.user_id == C and message.op is Op.MLS_WELCOME)
    assert transition_of(welcome) == 1
    room.leave(C)
    room.run()
    assert [fields["transitionId"] for fields in room.happenings("transition")] == [0, 1, 2]


def test_transition_ids_roll_over_without_0():
    room = room_of("davey", "davey")
    room.service._last_id = 0xFFFE
    for library in ("davey", "davey"):
        room.join(len(room.members) * 100 + 100, library)
        room.run().assert_all_hear_all()
    assert [fields["transitionId"] for fields in room.happenings("transition")] == [0, 0xFFFF, 1]


@pytest.mark.parametrize("pair", PAIRS)
def test_the_sole_member_is_reset_and_the_next_joiner_hears_it(pair):
    room = room_of(*pair)
    room.leave(A)
    room.run()
    assert json_to(room, B)[-2:] == [
        PrepareEpoch(epoch=1, protocol_version=1),
        PrepareTransition(transition_id=0, protocol_version=1),
    ]
    assert room.service.epoch == 0
    assert not room.members[B].ready
    room.join(C, pair[0])
    room.run().assert_all_hear_all()


@pytest.mark.parametrize("pair", PAIRS)
def test_an_emptied_room_refills(pair):
    room = room_of(*pair)
    old_sender = room.sent[0].payload
    room.leave(A)
    room.leave(B)
    room.run()
    assert room.service.epoch == 0
    room.sent.clear()
    room.join(A, pair[0])
    room.join(C, pair[1])
    room.run().assert_all_hear_all()
    assert room.sent[0].payload != old_sender


@pytest.mark.parametrize("pair", PAIRS)
def test_a_member_without_dave_makes_the_room_plain_and_encryption_returns_when_it_leaves(pair):
    room = room_of(*pair)
    room.join(C, PLAIN)
    room.run().assert_all_hear_all(version=0)
    assert room.service.phase is Phase.PLAIN
    assert room.ops_to(C) == []
    assert room.service.version_for(1) == 0
    room.join(D, pair[0])
    room.run().assert_all_hear_all(version=0)
    assert room.ops_to(D) == []
    room.leave(C)
    room.run().assert_all_hear_all()
    assert room.happenings("epoch")[-1]["members"] == 3


@pytest.mark.parametrize("pair", PAIRS)
def test_downgrade_and_upgrade_on_command(pair):
    room = room_of(*pair)
    room.apply(room.service.prepare_downgrade())
    room.run().assert_all_hear_all(version=0)
    room.apply(room.service.prepare_downgrade())
    room.apply(room.service.prepare_upgrade())
    room.run().assert_all_hear_all()
    versions = [(f["transitionId"], f["protocolVersion"]) for f in room.happenings("transition")]
    assert versions == [(0, 1), (1, 0), (2, 1)]
    assert room.happenings("expired") == []


def test_upgrade_of_a_lone_member_needs_no_group():
    room = room_of("davey")
    room.apply(room.service.prepare_downgrade())
    room.run()
    assert room.members[A].version == 0
    room.apply(room.service.prepare_upgrade())
    room.run()
    assert room.members[A].version == 1
    room.join(B)
    room.run().assert_all_hear_all()


def test_a_downgrade_during_an_upgrade_ends_plain():
    room = room_of("davey", "libdave")
    room.apply(room.service.prepare_downgrade())
    room.run()
    room.apply(room.service.prepare_upgrade())
    room.apply(room.service.prepare_downgrade())
    room.run().assert_all_hear_all(version=0)


def test_the_external_sender_is_sent_once_a_session():
    room = room_of("davey", "libdave", "davey")
    for _ in range(2):
        room.apply(room.service.prepare_downgrade())
        room.run()
        room.apply(room.service.prepare_upgrade())
        room.run().assert_all_hear_all()
    assert [room.ops_to(user).count(Op.MLS_EXTERNAL_SENDER) for user in (A, B, C)] == [1, 1, 1]


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("victim", [A, B, C])
def test_a_member_that_got_a_bad_commit_or_welcome_recovers(pair, victim):
    room = room_of(*pair)
    if victim != C:
        room.apply(room.service.corrupt_next_commit_for(victim))
    room.join(C, pair[0])
    if victim == C:
        room.apply(room.service.corrupt_next_commit_for(victim))
    room.run().assert_all_hear_all()
    assert room.members[victim].dropped["commit_failed"] == 1
    assert room.happenings("recovered") == [{"userId": str(victim)}]


def test_a_bad_first_commit_is_recovered_from():
    room = room_of("davey")
    room.apply(room.service.corrupt_next_commit_for(A))
    room.join(B)
    room.apply(room.service.corrupt_next_commit_for(B))
    room.run().assert_all_hear_all()
    assert {fields["userId"] for fields in room.happenings("recovered")} == {str(A), str(B)}
    assert room.happenings("expired") == []


def test_a_key_package_of_a_member_asks_to_join_again():
    room = room_of("davey", "libdave", "davey")
    for answer in room.members[B]._restart(gave_up=False):
        room.to_server(B, answer)
    room.run().assert_all_hear_all()
    assert room.service.epoch == 3


@pytest.mark.parametrize("library", ["davey", "libdave"])
def test_a_joiner_with_a_newer_key_package_is_not_welcomed_with_the_old_one(library):
    room = room_of("davey", "libdave")
    room.muted = {A, B}
    room.join(C, library)
    room.flush()
    batch = room.service._batch
    for answer in room.members[C]._restart(gave_up=False):
        room.to_server(C, answer)
    room.muted = set()
    room.to_server(A, Answer(Op.MLS_COMMIT_WELCOME, room.members[A]._engine.propose(batch.payloads[A], {A, B, C})))
    room.run().assert_all_hear_all()
    assert room.members[C].dropped["commit_failed"] == 0
    assert room.happenings("expired") == []
    assert room.service.epoch == 3


@pytest.mark.parametrize("pair", PAIRS)
def test_the_same_user_in_a_new_session_replaces_the_old_one(pair):
    room = room_of(*pair, "davey")
    room.leave(B)
    room.join(B, pair[1])
    room.run().assert_all_hear_all()
    assert room.happenings("epoch")[-1]["members"] == 3


def test_if_nobody_commits_the_group_begins_anew():
    room = room_of("davey", "davey")
    room.muted = {A, B}
    room.join(C)
    room.flush()
    assert not room.service.settled
    room.muted = set()
    room.run().assert_all_hear_all()
    assert room.happenings("expired")[0]["what"] == "commit"


def test_a_transition_executes_after_the_limit_even_if_one_is_silent():
    room = room_of("davey", "davey", "davey")
    room.members[B].receive = lambda _op, _payload: []
    room.leave(C)
    room.flush()
    assert not room.service.settled
    room.run()
    assert room.happenings("expired")[0]["what"] == "transition"
    assert room.ops_to(A)[-1] is Op.EXECUTE_TRANSITION


def test_a_leave_before_the_first_commit_lets_the_others_begin_anew():
    room = DaveRoom()
    for user in (A, B, C):
        room.join(user)
    room.muted = {A, B, C}
    room.flush()
    room.leave(B)
    room.muted = set()
    room.run().assert_all_hear_all()


def test_a_losing_commit_is_dropped_and_counted():
    room = room_of("davey", "davey")
    assert room.service.dropped["commit_unexpected"] == 1


@pytest.mark.parametrize("op", [Op.MLS_KEY_PACKAGE, Op.MLS_COMMIT_WELCOME])
def test_garbage_of_a_client_is_dropped_and_changes_nothing(op):
    rng = random.Random(7)
    room = room_of("davey", "davey")
    room.muted = {A, B}
    room.join(C)
    room.flush()
    before = len(room.sent)
    for size in (0, 1, 2, 3, 4, 100, 1000):
        garbage = Answer(op, b"\x00\x01\x00\x01"[:size] + rng.randbytes(max(0, size - 4)))
        room.muted.discard(A)
        room.to_server(A, garbage)
        room.muted.add(A)
    assert len(room.sent) == before
    assert sum(room.service.dropped.values()) == 8
    room.muted = set()
    room.run().assert_all_hear_all()


def test_messages_of_strangers_are_counted():
    room = room_of("davey", "davey")
    room.service.dropped.clear()
    for effects in (
        room.service.key_package(999, b""),
        room.service.commit_welcome(999, b""),
        room.service.transition_ready(A, 77),
        room.service.invalid_commit(999, 1),
        room.service.member_left(999),
    ):
        assert effects == ((), ())
    assert sum(room.service.dropped.values()) == 4


def test_a_bit_flip_anywhere_in_a_commit_never_breaks_the_room():
    rng = random.Random(3)
    for _ in range(40):
        room = room_of("davey", "davey")
        genuine = room.service.commit_welcome

        def flipped(user, payload, genuine=genuine, room=room):
            room.service.commit_welcome = genuine
            position = rng.randrange(len(payload))
            damaged = bytes([payload[position] ^ 1 << rng.randrange(8)])
            return genuine(user, payload[:position] + damaged + payload[position + 1 :])

        room.service.commit_welcome = flipped
        room.join(C)
        room.run().assert_all_hear_all()


@pytest.mark.parametrize("seed", range(12))
def test_churn_with_any_interleaving_ends_with_all_hearing_all(seed):
    rng = random.Random(seed)
    room = DaveRoom(rng)
    absent = [A, B, C, D, E]
    for _ in range(40):
        present = [*room.members, *room.plain]
        roll = rng.random()
        if roll < 0.35 and absent:
            user = absent.pop(rng.randrange(len(absent)))
            room.join(user, rng.choice(["davey", "libdave", "davey", "libdave", PLAIN if roll < 0.1 else "davey"]))
        elif roll < 0.6 and present:
            user = rng.choice(present)
            absent.append(user)
            room.leave(user)
        elif roll < 0.66:
            room.apply(room.service.prepare_downgrade())
        elif roll < 0.75:
            room.apply(room.service.prepare_upgrade())
        elif roll < 0.82 and present:
            room.apply(room.service.corrupt_next_commit_for(rng.choice(present)))
        for _ in range(rng.randrange(30)):
            room.step()
        if rng.random() < 0.4:
            room.run().assert_all_hear_all(version=int(room.service.phase is Phase.ENCRYPTED))
    room.apply(room.service.prepare_upgrade())
    for user in list(room.plain):
        room.leave(user)
    room.run().assert_all_hear_all()
