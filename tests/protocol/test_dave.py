"""The DAVE conversation alone: opcodes in, opcodes and facts out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.errors import MlsError
from clankvox.protocol.dave import (
    ASK_AGAIN_S,
    DOWNGRADE_WINDOW_S,
    FLAG_WINDOW_S,
    RECOVERY_WINDOW_S,
    SWITCH_LIMIT_S,
    UPGRADE_WINDOW_S,
    DaveConversation,
)
from clankvox.protocol.dave_effects import (
    AcceptClear,
    ClearNegotiated,
    DowngradeExecuted,
    GroupEstablished,
    GroupReset,
    Ignored,
    Send,
    SwitchAwaited,
    TransitionAnnounced,
    TransitionExecuted,
    VersionNegotiated,
)
from clankvox.wire.gateway_ops import (
    ExecuteTransition,
    InvalidCommitWelcome,
    Op,
    PrepareEpoch,
    PrepareTransition,
    TransitionReady,
)
from tests.support.fake_mls import BAD, FakeEngine

ME = 7


class Group(FakeEngine):
    """MlsGroup on the fake engine: `begin` makes it anew."""

    def __init__(self):
        super().__init__(1, ME, 20)
        self.begun = []
        self.followed = []

    def process_commit(self, commit):
        super().process_commit(commit)
        self.followed.append(commit)

    def begin(self, version):
        if version != 1:
            raise MlsError("no such version")
        self.begun.append(version)
        self.ready = False

    def begin_anew(self):
        self.ready, self.epoch = False, None


def conversation(version=1, *, ready=False):
    group = Group()
    talk = DaveConversation(group, ME, version)
    talk.start()
    talk.members_connected([ME, 42])
    if ready:
        talk.feed_binary(Op.MLS_EXTERNAL_SENDER, b"sender", 0.0)
        talk.feed_binary(Op.MLS_WELCOME, b"\x00\x00ok", 0.0)
    return talk, group


def change(transition, message=b"ok"):
    return transition.to_bytes(2, "big") + message


def prepared(transition, version):
    return PrepareTransition(transition_id=transition, protocol_version=version)


def executed(transition):
    return ExecuteTransition(transition_id=transition)


def ready(transition):
    return Send(Op.TRANSITION_READY, TransitionReady(transition_id=transition))


def awaited(transition):
    return [ready(transition), SwitchAwaited(transition)]


def flag(transition):
    return Send(Op.INVALID_COMMIT_WELCOME, InvalidCommitWelcome(transition_id=transition))


# --- beginning ---


def test_version_zero_begins_in_clear_and_says_nothing():
    assert DaveConversation(Group(), ME, 0).start() == [ClearNegotiated()]


def test_a_version_begins_with_a_key_package():
    assert DaveConversation(Group(), ME, 1).start() == [
        VersionNegotiated(1, upgrade=False),
        Send(Op.MLS_KEY_PACKAGE, b"package1"),
    ]


def test_a_version_that_is_not_spoken_begins_nothing():
    talk = DaveConversation(Group(), ME, 3)
    assert talk.start() == [VersionNegotiated(3, upgrade=False), Ignored("session_refused")]
    assert talk.feed_binary(Op.MLS_PROPOSALS, b"\x00x", 0.0) == [Ignored("proposals_without_session")]
    assert talk.feed_binary(Op.MLS_WELCOME, change(0), 0.0) == [Ignored("group_change_without_session")]


def test_alone_needs_our_key_package_the_external_sender_and_nobody_else():
    talk, _ = conversation()
    assert not talk.alone
    talk.feed_binary(Op.MLS_EXTERNAL_SENDER, b"sender", 0.0)
    assert not talk.alone
    talk.member_disconnected(42)
    assert talk.alone
    talk.members_connected([ME])
    assert talk.alone
    talk.members_connected([43])
    assert (talk.alone, talk.others) == (False, {43})


# --- group changes ---


def test_a_change_of_transition_zero_is_in_force_at_once():
    talk, _ = conversation()
    assert talk.feed_binary(Op.MLS_WELCOME, change(0), 0.0) == [GroupEstablished()]
    assert talk.feed_binary(Op.MLS_ANNOUNCE_COMMIT, change(0), 0.0) == [GroupEstablished()]


def test_a_change_is_acknowledged_and_then_executed():
    talk, _ = conversation(ready=True)
    assert talk.feed_binary(Op.MLS_ANNOUNCE_COMMIT, change(5), 0.0) == [*awaited(5), TransitionAnnounced(5)]
    assert talk.execute_transition(executed(5), 0.0) == [TransitionExecuted()]
    assert talk.execute_transition(executed(5), 0.0) == [Ignored("unknown_transition")]


def test_our_key_changes_with_op_22_and_not_before_all_members_have_theirs():
    talk, group = conversation(ready=True)
    talk.feed_binary(Op.MLS_ANNOUNCE_COMMIT, change(5, b"fifth"), 0.0)
    assert group.followed == []
    talk.execute_transition(executed(5), 0.1)
    assert group.followed == [b"fifth"]


@pytest.mark.parametrize("op", [Op.MLS_WELCOME, Op.MLS_ANNOUNCE_COMMIT])
def test_a_group_that_we_enter_opens_frames_at_once_and_seals_them_from_op_22_on(op):
    talk, group = conversation()
    assert talk.feed_binary(op, change(5), 0.0) == awaited(5)
    assert group.ready
    assert talk.execute_transition(executed(5), 0.0) == [GroupEstablished()]
    assert talk.feed_binary(Op.MLS_ANNOUNCE_COMMIT, change(6), 0.0) == [*awaited(6), TransitionAnnounced(6)]


def test_a_group_that_changes_while_we_enter_it_is_in_force_with_the_last_change():
    talk, group = conversation()
    talk.feed_binary(Op.MLS_WELCOME, change(5), 0.0)
    assert talk.feed_binary(Op.MLS_ANNOUNCE_COMMIT, change(6, b"sixth"), 0.0) == awaited(6)
    assert group.followed == [b"sixth"]
    assert talk.execute_transition(executed(5), 0.0) == []
    assert talk.execute_transition(executed(6), 0.0) == [GroupEstablished()]


def test_a_downgrade_that_is_prepared_while_we_enter_a_group_seals_nothing():
    talk, _ = conversation()
    talk.feed_binary(Op.MLS_WELCOME, change(5), 0.0)
    assert talk.prepare_transition(prepared(6, 0), 0.0) == [ready(6), AcceptClear(DOWNGRADE_WINDOW_S)]
    assert talk.execute_transition(executed(6), 0.0) == [DowngradeExecuted()]


FOLLOWS_AT_ONCE = {
    "proposals": lambda talk: talk.feed_binary(Op.MLS_PROPOSALS, b"\x00next", 0.1),
    "the next commit": lambda talk: talk.feed_binary(Op.MLS_ANNOUNCE_COMMIT, change(6), 0.1),
    "the next transition": lambda talk: talk.execute_transition(executed(6), 0.1),
    "transition 0": lambda talk: talk.prepare_transition(prepared(0, 1), 0.1),
    "frames with the new key": lambda talk: talk.frames_undecryptable(0.1),
    "an op 22 that is overdue": lambda talk: talk.switch_overdue(5, SWITCH_LIMIT_S),
}


@pytest.mark.parametrize("what", FOLLOWS_AT_ONCE)
def test_a_commit_does_not_wait_for_op_22_when_something_builds_on_it(what):
    talk, group = conversation(ready=True)
    talk.feed_binary(Op.MLS_ANNOUNCE_COMMIT, change(5, b"fifth"), 0.0)
    talk.prepare_transition(prepared(6, 1), 0.0)
    assert flag(5) not in FOLLOWS_AT_ONCE[what](talk)
    assert group.followed[0] == b"fifth"


@pytest.mark.parametrize("what", FOLLOWS_AT_ONCE)
def test_a_commit_that_cannot_be_followed_is_flagged_when_it_is_its_turn(what):
    talk, _ = conversation(ready=True)
    assert talk.feed_binary(Op.MLS_ANNOUNCE_COMMIT, change(5, BAD), 0.0)[0] == ready(5)
    talk.prepare_transition(prepared(6, 1), 0.0)
    told = FOLLOWS_AT_ONCE[what](talk)
    assert told[:3] == [flag(5), GroupReset(), Send(Op.MLS_KEY_PACKAGE, b"package2")]


def test_a_new_group_takes_the_last_keys_of_the_old_one_for_what_is_held_and_nothing_else():
    talk, group = conversation(ready=True)
    talk.feed_binary(Op.MLS_ANNOUNCE_COMMIT, change(5), 0.0)
    talk.prepare_epoch(PrepareEpoch(protocol_version=1, epoch=1))
    assert talk.execute_transition(executed(5), 0.0) == [Ignored("unknown_transition")]
    assert talk.switch_overdue(5, SWITCH_LIMIT_S) == []
    assert (group.followed, group.ready) == ([b"ok"], False)


def test_last_keys_that_cannot_be_had_keep_no_new_group_from_beginning():
    talk, _ = conversation(ready=True)
    talk.feed_binary(Op.MLS_ANNOUNCE_COMMIT, change(5, BAD), 0.0)
    package = Send(Op.MLS_KEY_PACKAGE, b"package2")
    assert talk.prepare_epoch(PrepareEpoch(protocol_version=1, epoch=1)) == [GroupReset(), package]


def test_only_what_is_unanswered_is_said_again():
    talk, _ = conversation()
    assert talk.say_again() == [Send(Op.MLS_KEY_PACKAGE, b"package1")]
    talk.feed_binary(Op.MLS_PROPOSALS, b"\x00add", 0.0)
    assert talk.say_again() == [Send(Op.MLS_COMMIT_WELCOME, b"commit")]
    talk.feed_binary(Op.MLS_WELCOME, change(0), 0.0)
    assert talk.say_again() == []
    talk.feed_binary(Op.MLS_ANNOUNCE_COMMIT, change(5), 0.0)
    talk.prepare_transition(prepared(6, 0), 0.0)
    assert talk.say_again() == [ready(5), ready(6)]
    talk.execute_transition(executed(6), 0.0)
    assert talk.say_again() == []


def test_a_transition_is_blamed_once_also_if_that_may_have_been_lost():
    talk, _ = conversation()
    assert flag(0) in talk.feed_binary(Op.MLS_WELCOME, change(0, BAD), 0.0)
    assert talk.say_again() == [Send(Op.MLS_KEY_PACKAGE, b"package2")]


def test_an_op_22_that_does_not_come_keeps_nobody_mute():
    talk, _ = conversation()
    talk.feed_binary(Op.MLS_WELCOME, change(5), 0.0)
    assert talk.switch_overdue(5, SWITCH_LIMIT_S) == [TransitionAnnounced(5)]
    assert talk.switch_overdue(5, SWITCH_LIMIT_S) == []
    assert talk.execute_transition(executed(5), 2.0) == [TransitionExecuted()]


def test_execution_waits_for_the_last_of_several():
    talk, _ = conversation(ready=True)
    talk.feed_binary(Op.MLS_ANNOUNCE_COMMIT, change(5), 0.0)
    talk.feed_binary(Op.MLS_ANNOUNCE_COMMIT, change(6), 0.0)
    assert talk.execute_transition(executed(5), 0.0) == []
    assert talk.execute_transition(executed(6), 0.0) == [TransitionExecuted()]


@pytest.mark.parametrize("payload", [b"", b"\x00"])
def test_a_change_without_a_whole_id_is_ignored(payload):
    talk, _ = conversation()
    assert talk.feed_binary(Op.MLS_WELCOME, payload, 0.0) == [Ignored("group_change_without_session")]


def test_unknown_binary_ops_are_ignored():
    talk, _ = conversation()
    assert talk.feed_binary(99, b"x", 0.0) == [Ignored("unknown_binary_op")]


def test_an_external_sender_that_is_refused_is_not_kept():
    talk, _ = conversation()
    assert talk.feed_binary(Op.MLS_EXTERNAL_SENDER, BAD, 0.0) == [Ignored("external_sender_refused")]
    assert not talk.alone


# --- recovery ---


@pytest.mark.parametrize(("op", "transition"), [(Op.MLS_ANNOUNCE_COMMIT, 0), (Op.MLS_WELCOME, 9)])
def test_a_change_that_cannot_be_followed_is_flagged_and_begun_anew(op, transition):
    talk, _ = conversation(ready=op == Op.MLS_ANNOUNCE_COMMIT)
    assert talk.feed_binary(op, change(transition, BAD), 0.0) == [
        flag(transition),
        GroupReset(),
        Send(Op.MLS_KEY_PACKAGE, b"package2"),
    ]


def test_what_was_on_its_way_when_we_asked_anew_outdates_no_second_key_package():
    talk, _ = conversation(ready=True)
    talk.feed_binary(Op.MLS_ANNOUNCE_COMMIT, change(9, BAD), 0.0)
    talk.execute_transition(executed(9), 0.0)
    for transition in (10, 11, 12):
        late = talk.feed_binary(Op.MLS_ANNOUNCE_COMMIT, change(transition, BAD), 0.1)
        assert late == [Ignored("made_before_recovery")]
    assert talk.recovery_overdue(RECOVERY_WINDOW_S)[0] == flag(12)


def test_a_recovery_that_succeeded_is_not_repeated():
    talk, _ = conversation(ready=True)
    talk.feed_binary(Op.MLS_ANNOUNCE_COMMIT, change(9, BAD), 0.0)
    talk.execute_transition(executed(9), 0.0)
    talk.feed_binary(Op.MLS_ANNOUNCE_COMMIT, change(10, BAD), 0.1)
    assert GroupEstablished() in talk.feed_binary(Op.MLS_WELCOME, change(0), 0.2)
    assert talk.recovery_overdue(RECOVERY_WINDOW_S) == []
    talk.feed_binary(Op.MLS_ANNOUNCE_COMMIT, change(11, BAD), 0.3)
    assert flag(11) in talk.execute_transition(executed(11), 0.3)


def test_undecryptable_frames_are_blamed_on_the_last_transition_once_and_in_time():
    talk, _ = conversation(ready=True)
    talk.feed_binary(Op.MLS_ANNOUNCE_COMMIT, change(5), 100.0)
    talk.execute_transition(executed(5), 100.0)
    assert talk.frames_undecryptable(100.0 + FLAG_WINDOW_S)[0] == flag(5)
    assert talk.frames_undecryptable(100.0 + FLAG_WINDOW_S) == []


def test_undecryptable_frames_are_not_blamed_on_the_answer_to_their_blame_until_after_a_rest():
    talk, _ = conversation(ready=True)
    for transition, now, blamed in ((5, 100.0, True), (6, 101.0, False), (7, 100.0 + ASK_AGAIN_S, True)):
        talk.feed_binary(Op.MLS_WELCOME, change(transition), now)
        talk.feed_binary(Op.MLS_ANNOUNCE_COMMIT, change(transition), now)
        talk.execute_transition(executed(transition), now)
        assert (flag(transition) in talk.frames_undecryptable(now + RECOVERY_WINDOW_S)) is blamed


def test_what_several_senders_sealed_before_we_followed_is_not_blamed_on_the_change():
    talk, _ = conversation(ready=True)
    talk.feed_binary(Op.MLS_ANNOUNCE_COMMIT, change(5), 100.0)
    assert talk.frames_undecryptable(100.7) == []
    assert talk.frames_undecryptable(100.7) == [], "the first of them has brought the key of all"
    assert talk.frames_undecryptable(100.7 + RECOVERY_WINDOW_S)[0] == flag(5)


def test_undecryptable_frames_are_blamed_on_nothing_old_or_unknown():
    talk, _ = conversation()
    assert talk.frames_undecryptable(0.0) == []
    talk.feed_binary(Op.MLS_WELCOME, change(5), 0.0)
    assert talk.frames_undecryptable(FLAG_WINDOW_S + 0.1) == []


def test_a_failed_change_is_the_last_transition():
    talk, _ = conversation(ready=True)
    talk.feed_binary(Op.MLS_ANNOUNCE_COMMIT, change(5), 0.0)
    talk.feed_binary(Op.MLS_ANNOUNCE_COMMIT, change(6, BAD), 0.0)
    assert talk.frames_undecryptable(0.5)[0] == flag(6)
    assert talk.frames_undecryptable(1.0) == []


def test_a_version_that_was_taken_up_again_is_the_last_transition():
    talk, _ = conversation(ready=True)
    for transition, version in ((5, 0), (6, 1)):
        talk.prepare_transition(prepared(transition, version), 0.0)
        talk.execute_transition(executed(transition), 0.0)
    assert talk.frames_undecryptable(0.5)[0] == flag(6)


def test_in_version_zero_nothing_is_blamed():
    talk, _ = conversation(ready=True)
    talk.prepare_transition(prepared(5, 0), 0.0)
    talk.execute_transition(executed(5), 0.0)
    assert talk.frames_undecryptable(0.0) == []


# --- down and up ---


def test_a_downgrade_is_acknowledged_opens_a_window_and_is_executed():
    talk, _ = conversation(ready=True)
    assert talk.prepare_transition(prepared(5, 0), 0.0) == [
        ready(5),
        AcceptClear(DOWNGRADE_WINDOW_S),
        TransitionAnnounced(5),
    ]
    assert talk.execute_transition(executed(5), 0.0) == [DowngradeExecuted()]
    assert talk.version == 0


def test_an_upgrade_by_a_new_epoch_begins_a_new_session():
    talk, group = conversation(0)
    assert talk.prepare_epoch(PrepareEpoch(protocol_version=1, epoch=1)) == [
        VersionNegotiated(1, upgrade=True),
        AcceptClear(DOWNGRADE_WINDOW_S),
        Send(Op.MLS_KEY_PACKAGE, b"package1"),
    ]
    assert group.begun == [1]


def test_an_upgrade_by_transition_takes_up_the_group_that_is_there():
    talk, _ = conversation(ready=True)
    talk.prepare_transition(prepared(0, 0), 0.0)
    talk.prepare_transition(prepared(6, 1), 0.0)
    assert talk.execute_transition(executed(6), 0.0) == [
        AcceptClear(UPGRADE_WINDOW_S),
        VersionNegotiated(1, upgrade=True),
        GroupEstablished(),
    ]


def test_a_commit_is_nothing_in_version_zero():
    talk, _ = conversation(0)
    assert talk.feed_binary(Op.MLS_WELCOME, change(0), 0.0) == [Ignored("group_change_without_session")]


@pytest.mark.parametrize(("version", "epoch"), [(0, 1), (1, 0), (1, 2)])
def test_only_a_first_epoch_with_a_version_begins_anew(version, epoch):
    talk, group = conversation(ready=True)
    assert talk.prepare_epoch(PrepareEpoch(protocol_version=version, epoch=epoch)) == []
    assert group.ready


# --- whatever the server says ---

MESSAGES = st.one_of(
    st.tuples(st.just("binary"), st.sampled_from([25, 27, 29, 30, 31]), st.binary(max_size=6) | st.just(BAD)),
    st.tuples(st.just("change"), st.integers(0, 3), st.sampled_from([b"ok", BAD])),
    st.tuples(st.just("prepare"), st.integers(0, 3), st.integers(0, 2)),
    st.tuples(st.just("execute"), st.integers(0, 3), st.none()),
    st.tuples(st.just("epoch"), st.integers(0, 2), st.integers(0, 2)),
    st.tuples(st.just("undecryptable"), st.floats(0, 20), st.none()),
    st.tuples(st.just("overdue"), st.integers(0, 3), st.none()),
)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1), st.lists(MESSAGES, max_size=25))
def test_nothing_raises_and_facts_agree_with_the_version(first, messages):
    """Clear is in force exactly from a downgrade (or a start at 0) to the next announced version."""
    group = Group()
    talk = DaveConversation(group, ME, first)
    clear = False
    for effect in talk.start():
        clear = clear or isinstance(effect, ClearNegotiated)
    for kind, one, two in messages:
        match kind:
            case "binary":
                effects = talk.feed_binary(one, two, 0.0)
            case "change":
                effects = talk.feed_binary(Op.MLS_ANNOUNCE_COMMIT, change(one, two), 0.0)
            case "prepare":
                effects = talk.prepare_transition(prepared(one, two), 0.0)
            case "execute":
                effects = talk.execute_transition(executed(one), 0.0)
            case "epoch":
                effects = talk.prepare_epoch(PrepareEpoch(protocol_version=two, epoch=one))
            case "overdue":
                effects = talk.switch_overdue(one, SWITCH_LIMIT_S)
            case _:
                effects = talk.frames_undecryptable(one)
        for effect in effects:
            if isinstance(effect, DowngradeExecuted):
                clear = True
            elif isinstance(effect, VersionNegotiated):
                assert effect.upgrade == clear
                clear = False
            elif isinstance(effect, GroupEstablished | TransitionExecuted):
                assert not clear
                assert group.ready
    assert clear == (talk.version == 0)
