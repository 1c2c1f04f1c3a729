import pytest

from clankvox.errors import MlsError, OpenFailed
from clankvox.loopback.member import SILENCE_FRAME, DaveMember
from clankvox.wire.dave_frame import is_dave_frame
from clankvox.wire.gateway_ops import (
    ExecuteTransition,
    InvalidCommitWelcome,
    Op,
    PrepareEpoch,
    PrepareTransition,
    Speaking,
    TransitionReady,
)
from tests.support.dave_room import CHANNEL, DaveRoom

A, B, C = 100, 200, 300
FRAME = b"\xfcsome opus"
LIBRARIES = ["davey", "libdave"]

each_library = pytest.mark.parametrize("library", LIBRARIES)


def pair(library, other="davey"):
    room = DaveRoom()
    room.join(A, library)
    room.join(B, other)
    room.run()
    return room, room.members[A], room.members[B]


def ops(answers):
    return [answer.op for answer in answers]


@each_library
def test_op_4_with_version_1_is_answered_with_a_key_package_at_once(library):
    assert ops(DaveMember(A, CHANNEL, library).start(1)) == [Op.MLS_KEY_PACKAGE]


@each_library
def test_op_4_with_version_0_starts_plain(library):
    member = DaveMember(A, CHANNEL, library)
    assert member.start(0) == []
    assert member.ready
    assert member.encrypt_opus(FRAME) == FRAME


@each_library
def test_nothing_can_be_sent_before_there_is_a_group(library):
    member = DaveMember(A, CHANNEL, library)
    member.start(1)
    assert not member.ready
    with pytest.raises(MlsError):
        member.encrypt_opus(FRAME)


@pytest.mark.parametrize("sender", LIBRARIES)
@pytest.mark.parametrize("receiver", LIBRARIES)
def test_a_frame_is_sealed_for_the_group_and_opens_once(sender, receiver):
    _, first, second = pair(sender, receiver)
    sealed = first.encrypt_opus(FRAME)
    assert is_dave_frame(sealed)
    assert FRAME not in sealed
    assert second.decrypt(A, sealed) == FRAME
    with pytest.raises(OpenFailed):
        second.decrypt(A, sealed)


@each_library
def test_a_frame_that_is_forged_or_of_a_stranger_does_not_open(library):
    _, member, peer = pair(library)
    sealed = peer.encrypt_opus(FRAME)
    with pytest.raises(OpenFailed):
        member.decrypt(B, bytes([sealed[0] ^ 1]) + sealed[1:])
    with pytest.raises(OpenFailed):
        member.decrypt(C, sealed)


@each_library
def test_a_clear_frame_is_refused_but_silence_is_not(library):
    _, member, _ = pair(library)
    with pytest.raises(OpenFailed):
        member.decrypt(B, FRAME)
    assert member.decrypt(B, SILENCE_FRAME) == SILENCE_FRAME


def test_libdave_sends_with_the_old_key_until_op_22():
    room, member, peer = pair("libdave")
    room.join(C)
    while not (room.sent[-1].op is Op.MLS_WELCOME and not room._up[A] and not room._down[A]):
        assert room.step()
    before = member.encrypt_opus(FRAME)
    room.run()
    after = member.encrypt_opus(FRAME)
    assert peer.decrypt(A, before) == FRAME
    with pytest.raises(OpenFailed):
        room.members[C].decrypt(A, before)
    assert room.members[C].decrypt(A, after) == FRAME


@each_library
def test_a_transition_within_an_epoch_never_restarts_the_nonce(library):
    _, member, peer = pair(library)
    for transition_id in (0, 5, 6):
        assert peer.decrypt(A, member.encrypt_opus(FRAME)) == FRAME
        prepare = PrepareTransition(transition_id=transition_id, protocol_version=1)
        member.receive(Op.PREPARE_TRANSITION, prepare)
        member.receive(Op.EXECUTE_TRANSITION, ExecuteTransition(transition_id=transition_id))
    assert peer.decrypt(A, member.encrypt_opus(FRAME)) == FRAME


@each_library
def test_an_unknown_transition_changes_nothing(library):
    _, member, peer = pair(library)
    member.receive(Op.EXECUTE_TRANSITION, ExecuteTransition(transition_id=9))
    assert member.dropped["unknown_transition"] == 1
    assert peer.decrypt(A, member.encrypt_opus(FRAME)) == FRAME


@each_library
def test_a_downgrade_is_answered_and_waits_for_op_22(library):
    _, member, _ = pair(library)
    prepare = PrepareTransition(transition_id=5, protocol_version=0)
    answers = member.receive(Op.PREPARE_TRANSITION, prepare)
    assert answers == [(Op.TRANSITION_READY, TransitionReady(transition_id=5))]
    assert is_dave_frame(member.encrypt_opus(FRAME))
    member.receive(Op.EXECUTE_TRANSITION, ExecuteTransition(transition_id=5))
    assert member.encrypt_opus(FRAME) == FRAME
    assert member.decrypt(B, FRAME) == FRAME


@each_library
def test_frames_sealed_before_a_downgrade_still_open_after_it(library):
    room, member, peer = pair(library)
    sealed = peer.encrypt_opus(FRAME)
    room.apply(room.service.prepare_downgrade())
    room.run()
    assert member.version == 0
    assert member.decrypt(B, sealed) == FRAME


@each_library
def test_transition_0_executes_at_once_and_ends_the_use_of_a_lost_group(library):
    _, member, _ = pair(library)
    assert ops(member.receive(Op.PREPARE_EPOCH, PrepareEpoch(epoch=1, protocol_version=1))) == [Op.MLS_KEY_PACKAGE]
    now = PrepareTransition(transition_id=0, protocol_version=1)
    assert member.receive(Op.PREPARE_TRANSITION, now) == []
    assert not member.ready


@each_library
@pytest.mark.parametrize("op", [Op.MLS_ANNOUNCE_COMMIT, Op.MLS_WELCOME])
def test_an_unreadable_commit_or_welcome_is_flagged_and_a_new_start_offered(library, op):
    _, member, _ = pair(library)
    answers = member.receive(op, b"\x00\x07" + b"\xff" * 50)
    assert ops(answers) == [Op.INVALID_COMMIT_WELCOME, Op.MLS_KEY_PACKAGE]
    assert answers[0].payload == InvalidCommitWelcome(transition_id=7)


@each_library
def test_proposals_are_ignored_when_garbage_or_for_a_user_who_was_not_announced(library):
    room, member, _ = pair(library)
    assert member.receive(Op.MLS_PROPOSALS, b"\x00\x05hello") == []
    assert member.receive(Op.MLS_PROPOSALS, b"") == []
    stranger = DaveMember(C, CHANNEL)
    room.service.member_connected(C, 1)
    effects = room.service.key_package(C, stranger.start(1)[0].payload)
    add = next(message for message in effects.outgoing if message.user_id == A)
    assert member.receive(add.op, add.payload) == []
    assert member.dropped["proposals"] == 3


@each_library
def test_what_is_no_dave_message_is_counted(library):
    member = DaveMember(A, CHANNEL, library)
    member.start(1)
    assert member.receive(Op.SPEAKING, Speaking(speaking=1, ssrc=7)) == []
    assert member.receive(Op.MLS_WELCOME, b"\x00") == []
    assert member.receive(Op.MLS_KEY_PACKAGE, b"") == []
    assert member.dropped["unexpected"] == 3


def test_a_second_external_sender_does_not_stop_davey():
    room, member, peer = pair("davey")
    assert member.receive(Op.MLS_EXTERNAL_SENDER, room.sent[0].payload) == []
    assert member.dropped["external_sender"] == 1
    assert peer.decrypt(A, member.encrypt_opus(FRAME)) == FRAME


def test_a_panic_of_davey_is_contained():
    davey_engine = DaveMember(A, CHANNEL)._engine

    class PanicException(BaseException): ...

    class Session:
        def encrypt_opus(self, _frame):
            raise PanicException

        def decrypt(self, *_):
            raise KeyboardInterrupt

    davey_engine._session = Session()
    with pytest.raises(MlsError):
        davey_engine.encrypt_opus(FRAME)
    with pytest.raises(KeyboardInterrupt):
        davey_engine.decrypt(B, FRAME)
