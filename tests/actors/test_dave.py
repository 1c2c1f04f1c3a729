"""The DAVE manager inside a call: what the parent is told, what the server gets, and what may leave."""

import pytest

from clankvox.actors.dave import GATE_OF
from clankvox.fsm.dave import DaveState
from clankvox.ids import Role, dave_address
from clankvox.media.frame_cipher import Gate
from clankvox.messages.common import Inspect
from clankvox.protocol.dave import RECOVERY_WINDOW_S, SWITCH_LIMIT_S
from clankvox.wire.gateway_ops import Op
from tests.support.factory import Call, in_clear, short
from tests.support.fake_mls import BAD, NO_ANSWER, FakeEngine

READY = "dave_state voice ready 1"
NEGOTIATING = "dave_state voice negotiating 1"
DISABLED = "dave_state voice disabled 0"


def connected(version=1, *others):
    call = Call().connect(dave_version=version)
    if others:
        call.server.members(*others)
        call.drain()
    call.server.new_ops()
    return call


def flags(call):
    """Transition ids of every op 31, which is JSON."""
    assert all(op != Op.INVALID_COMMIT_WELCOME for op, _ in call.server.binary_sent())
    return [d["transition_id"] for op, d in call.server.json_sent() if op == Op.INVALID_COMMIT_WELCOME]


def told(call):
    call.drain()
    return [line for line in short(call.events()) if line.startswith("dave_state")]


# --- the first group ---


def test_a_key_package_answers_a_version_above_zero():
    call = Call().connect(dave_version=1)
    assert call.server.binary_sent() == [(Op.MLS_KEY_PACKAGE, b"package1")]


def test_an_external_sender_that_comes_before_the_session_is_not_lost():
    call = Call()
    call.join()
    call.voice_server()
    call.voice_state()
    call.drain()
    call.server.before_session()
    call.server.external_sender()
    call.server.session(1)
    call.drain()
    assert short(call.events())[-2:] == [NEGOTIATING, READY]
    assert call.state("dave") == "alone"


def test_alone_is_ready_and_nothing_leaves():
    call = connected()
    call.server.external_sender()
    assert told(call) == [READY]
    call.audio("p1")
    call.run(1.0)
    assert call.left() == []


def test_a_member_that_is_there_means_negotiating_until_the_group_exists():
    call = connected(1, 42)
    call.server.external_sender()
    assert told(call) == []
    call.server.proposals()
    call.drain()
    assert call.server.new_ops() == [Op.MLS_COMMIT_WELCOME]
    call.server.commit(0)
    assert told(call) == [READY]
    assert call.state("dave") == "established"


def test_only_announced_members_are_recognised():
    call = connected(1, 42, 43)
    call.server.external_sender()
    call.server.member_gone(43)
    call.server.proposals()
    call.drain()
    assert call.engine.recognized == {7, 42}


def test_proposals_that_need_no_answer_get_none():
    call = connected(1, 42)
    call.server.proposals(NO_ANSWER)
    call.server.proposals(BAD)
    call.drain()
    assert call.server.new_ops() == []


def test_a_member_who_joins_us_alone_is_waited_for_two_seconds_untold():
    call = connected()
    call.server.external_sender()
    call.drain()
    call.events()
    call.server.members(42)
    call.run(1.9)
    assert told(call) == []
    assert call.state("dave") == "rekeying"
    call.server.welcome(0)
    call.run(5.0)
    assert told(call) == []
    assert call.state("dave") == "established"


def test_patience_with_a_member_ends_after_two_seconds():
    call = connected()
    call.server.external_sender()
    call.drain()
    call.events()
    call.server.members(42)
    call.run(2.1)
    assert told(call) == [NEGOTIATING]
    call.server.welcome(0)
    assert told(call) == [READY]


def test_the_patience_of_an_older_wait_does_not_end_a_newer_one():
    call = Call().establish(42)
    call.server.prepare_epoch()
    call.run(1.5)
    call.server.welcome(0)
    call.drain()
    call.server.prepare_epoch()
    call.run(1.0)
    assert told(call) == []
    assert call.state("dave") == "rekeying"


# --- transitions ---


def test_a_commit_is_answered_with_op_23_and_waits_for_op_22():
    call = Call().establish(42)
    call.server.new_ops()
    call.server.commit(3)
    call.drain()
    assert (call.server.new_ops(), call.state("dave"), call.state("connection")) == (
        [Op.TRANSITION_READY],
        "switching",
        "dave_transition",
    )
    call.server.execute_transition(3)
    assert told(call) == []
    assert (call.state("dave"), call.state("connection")) == ("established", "ready")


def test_a_transition_id_of_zero_needs_no_op_23():
    call = Call().establish(42)
    call.server.new_ops()
    call.server.commit(0)
    call.drain()
    assert call.server.new_ops() == []
    assert call.state("connection") == "ready"


def test_an_unknown_transition_is_not_executed():
    call = Call().establish(42)
    call.server.execute_transition(99)
    call.drain()
    assert call.state("dave") == "established"


def test_a_newer_transition_supersedes_the_ones_before():
    call = Call().establish(42)
    call.server.commit(3)
    call.server.commit(4)
    call.server.execute_transition(4)
    call.drain()
    assert call.state("dave") == "established"
    call.server.execute_transition(3)
    call.drain()
    assert call.state("dave") == "established"


def test_a_welcome_for_a_member_is_ignored():
    call = Call().establish(42)
    call.server.new_ops()
    call.server.welcome(5, BAD)
    call.drain()
    assert call.server.new_ops() == []


def test_the_sole_member_reset_makes_a_new_group_and_stays_ready():
    call = Call().establish(42)
    call.server.new_ops()
    call.server.member_gone(42)
    call.server.prepare_epoch()
    call.drain()
    assert call.server.new_ops() == [Op.MLS_KEY_PACKAGE]
    assert (told(call), call.state("dave")) == ([], "alone")
    call.server.members(43)
    call.server.proposals()
    call.server.commit(0)
    assert (told(call), call.state("dave")) == ([], "established")


def test_an_epoch_that_is_not_the_first_keeps_the_group():
    call = Call().establish(42)
    call.server.new_ops()
    call.server.prepare_epoch(epoch=7)
    call.drain()
    assert (call.server.new_ops(), call.state("dave")) == ([], "established")


def test_a_group_that_begins_anew_does_so_in_a_session_of_its_own():
    """The session before it stays, with its keys for what is on the way; it seals nothing any more."""
    call = Call().establish(42)
    call.server.prepare_epoch()
    call.drain()
    assert [engine.ready for engine in call.engines] == [True, False]
    assert call.cipher.seal_opus(b"word") is None
    call.server.welcome(0)
    call.drain()
    assert call.state("dave") == "established"


# --- recovery ---


@pytest.mark.parametrize("kind", ["commit", "welcome"])
def test_an_invalid_commit_or_welcome_is_flagged_once_with_its_own_id(kind):
    call = connected(1, 42)
    call.server.external_sender()
    if kind == "commit":
        call.server.welcome(0)
    call.drain()
    call.events()
    getattr(call.server, kind)(9, BAD)
    call.drain()
    call.server.new_ops()
    if kind == "commit":
        assert flags(call) == []
        call.server.execute_transition(9)
        call.drain()
        assert call.server.new_ops() == [Op.INVALID_COMMIT_WELCOME, Op.MLS_KEY_PACKAGE]
    assert flags(call) == [9]
    call.server.welcome(10)
    call.server.execute_transition(10)
    call.drain()
    assert call.state("dave") == "established"


def test_frames_that_do_not_decrypt_blame_the_last_transition_once():
    call = Call().establish(42)
    call.server.commit(11)
    call.server.execute_transition(11)
    call.run(RECOVERY_WINDOW_S)
    for _ in range(3):
        call.pipeline._facts.undecryptable(1, 42, 36)
    call.drain()
    assert flags(call) == [11]


def test_frames_that_do_not_decrypt_after_a_failed_commit_blame_nothing_older():
    call = Call().establish(42)
    call.server.commit(11)
    call.server.execute_transition(11)
    call.server.commit(12, BAD)
    call.drain()
    call.pipeline._facts.undecryptable(1, 42, 36)
    call.drain()
    assert flags(call) == [12]


def test_a_transition_older_than_ten_seconds_is_not_blamed():
    call = Call().establish(42)
    call.server.commit(11)
    call.run(9.0)
    call.clock.advance(1.5)
    call.pipeline._facts.undecryptable(1, 42, 36)
    call.drain()
    assert flags(call) == []


def test_frames_of_an_older_connection_blame_nothing():
    call = Call().establish(42)
    call.server.commit(11)
    call.drain()
    call.pipeline.attempt -= 1
    call.pipeline._facts.undecryptable(1, 42, 36)
    call.drain()
    assert flags(call) == []


# --- down and up ---


def test_a_downgrade_is_told_when_it_is_executed_and_the_call_goes_on_in_clear():
    call = Call().establish(42)
    call.server.new_ops()
    call.server.prepare_transition(5, 0)
    assert told(call) == []
    assert call.server.new_ops() == [Op.TRANSITION_READY]
    call.server.execute_transition(5)
    assert told(call) == [DISABLED]
    call.audio("p1")
    call.run(0.1)
    assert any(in_clear(frame) for frame in call.left())
    assert call.state("connection") == "ready"


def test_an_upgrade_is_negotiating_then_ready_and_stops_clear_media_at_once():
    call = connected(0, 42)
    call.audio("p1", 2_000)
    call.run(0.1)
    assert any(in_clear(frame) for frame in call.left())
    call.server.external_sender()
    call.server.prepare_epoch()
    assert told(call) == [NEGOTIATING]
    call.run(0.3)
    assert call.left() == []
    call.server.welcome(6)
    assert told(call) == []
    call.run(0.2)
    assert call.left() == []
    call.server.execute_transition(6)
    assert told(call) == [READY]
    call.run(0.2)
    frames = call.left()
    assert frames
    assert not any(in_clear(frame) for frame in frames)


def test_an_upgrade_by_transition_never_leaves_media_in_clear():
    call = Call().establish(42)
    call.server.prepare_transition(5, 0)
    call.server.execute_transition(5)
    call.server.prepare_transition(6, 1)
    call.server.execute_transition(6)
    assert told(call) == [DISABLED, NEGOTIATING, READY]
    call.audio("p1")
    call.run(0.1)
    frames = call.left()
    assert frames
    assert not any(in_clear(frame) for frame in frames)


def test_an_upgrade_by_transition_without_a_group_makes_one():
    call = connected(0, 42)
    call.server.prepare_transition(6, 1)
    call.server.execute_transition(6)
    assert told(call) == [NEGOTIATING]
    assert (Op.MLS_KEY_PACKAGE, b"package1") in call.server.binary_sent()
    assert call.cipher.gate is Gate.CLOSED


def test_a_call_that_goes_on_in_clear_is_described_without_the_group_that_it_had():
    """Its privacy code would vouch for what everybody can hear."""
    call = Call().establish(42)
    described = call.actor(dave_address(Role.VOICE)).handle(Inspect())
    assert (described["gate"], bool(described["members"])) == ("encrypt", True)
    call.server.prepare_transition(5, 0)
    call.server.execute_transition(5)
    call.drain()
    described = call.actor(dave_address(Role.VOICE)).handle(Inspect())
    assert described == {"state": "disabled", "gate": "clear", "ignored": {}}


def test_a_downgrade_of_transition_zero_is_immediate():
    call = Call().establish(42)
    call.server.prepare_transition(0, 0)
    assert told(call) == [DISABLED]


def test_clear_frames_are_accepted_for_a_while_around_a_downgrade():
    call = Call().establish(42)
    call.server.prepare_transition(5, 0)
    call.drain()
    assert not call.cipher.open_audio(42, b"\xfcclear", call.clock.now() + 23.0).authenticated


# --- the connection comes and goes ---


def test_a_lost_connection_forgets_the_group_and_is_told_negotiating_once():
    call = Call().establish(42)
    call.server.lost()
    call.run(1.1)
    assert told(call) == [NEGOTIATING]
    assert call.cipher.gate is Gate.CLOSED
    call.server.handshake(1)
    assert told(call) == []
    call.server.members(42)
    call.server.external_sender()
    call.server.welcome(0)
    assert told(call) == [READY]
    assert len(call.engines) == 2


def test_messages_of_an_older_connection_change_nothing():
    call = Call().establish(42)
    old = call.server.attempt
    call.server.lost()
    call.run(1.1)
    call.server.handshake(1)
    call.server.new_ops()
    call.server.binary(Op.MLS_PROPOSALS, b"\x00add", attempt=old)
    call.drain()
    assert call.server.new_ops() == []


def test_a_reconnection_may_negotiate_version_zero():
    call = Call().establish(42)
    call.server.lost()
    call.run(1.1)
    call.events()
    call.server.handshake(0)
    assert told(call) == [DISABLED]


def test_a_version_that_the_library_does_not_speak_stays_closed():
    def refuse(*_):
        return FakeEngine(2, 7, 20)

    call = Call(make_engine=refuse)
    call.connect(dave_version=1)
    call.server.members(42)
    call.server.external_sender()
    call.server.welcome(0)
    call.drain()
    assert call.state("dave") == "negotiating"
    assert call.cipher.gate is Gate.CLOSED


# --- the gate ---


def test_the_gate_is_open_in_exactly_the_states_that_allow_it():
    assert set(GATE_OF) == set(DaveState)
    assert {state for state, gate in GATE_OF.items() if gate is Gate.CLEAR} == {DaveState.DISABLED}
    assert {state for state, gate in GATE_OF.items() if gate is Gate.ENCRYPT} == {
        DaveState.ESTABLISHED,
        DaveState.SWITCHING,
    }


def test_speech_that_waits_for_the_group_begins_when_it_exists():
    call = connected(1, 42)
    call.audio("p1")
    call.run(2.0)
    assert call.left() == []
    call.server.external_sender()
    call.server.welcome(0)
    call.run(0.1)
    frames = call.left()
    assert frames
    assert not any(in_clear(frame) for frame in frames)


def test_a_rekey_in_mid_speech_holds_it_and_loses_nothing():
    call = Call().establish(42)
    call.audio("p1", 400)
    call.finish()
    call.run(0.1)
    before = len(call.left())
    call.server.prepare_epoch()
    call.run(1.0)
    assert call.left() == []
    call.server.welcome(0)
    call.run(1.0)
    after = call.left()
    speech = before + len([frame for frame in after if len(frame) > 3])
    assert 20 <= speech <= 21
    assert [line for line in short(call.events()) if line.startswith("tts")] == [
        "tts_playback_state p1 buffered",
        "tts_playback_state p1 started",
        "tts_playback_state p1 drained",
    ]


# --- every stage of a group can be cut short ---


def staged(stage):
    """A call whose encryption is in `stage`."""
    if stage == "negotiating":
        call = connected(1, 42)
    elif stage == "alone":
        call = connected(1)
        call.server.external_sender()
    else:
        call = Call().establish(42)
        if stage == "rekeying":
            call.server.prepare_epoch()
        elif stage == "switching":
            call.server.commit(3)
        elif stage == "disabled":
            call.server.prepare_transition(0, 0)
    call.drain()
    assert call.state("dave") == stage
    call.events()
    return call


STAGES = ["disabled", "negotiating", "alone", "rekeying", "established", "switching"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_downgrade_is_followed_from_every_stage(stage):
    call = staged(stage)
    call.server.prepare_transition(0, 0)
    assert told(call) == ([] if stage == "disabled" else [DISABLED])
    assert call.cipher.gate is Gate.CLEAR


@pytest.mark.parametrize("stage", STAGES[1:])
def test_a_new_group_is_made_from_every_stage(stage):
    call = staged(stage)
    call.server.new_ops()
    call.server.prepare_epoch()
    assert told(call) == []
    assert call.server.new_ops() == [Op.MLS_KEY_PACKAGE]
    assert call.cipher.gate is Gate.CLOSED


@pytest.mark.parametrize("stage", STAGES[1:])
def test_a_group_that_comes_is_taken_from_every_stage(stage):
    call = staged(stage)
    call.server.commit(0)
    told(call)
    assert (call.state("dave"), call.cipher.gate) == ("established", Gate.ENCRYPT)


@pytest.mark.parametrize("stage", STAGES[1:])
def test_a_transition_is_announced_from_every_stage(stage):
    call = staged(stage)
    call.server.commit(8)
    told(call)
    assert (call.cipher.gate is Gate.ENCRYPT) == (stage in ("established", "switching"))
    call.run(SWITCH_LIMIT_S)
    assert (call.state("dave"), call.cipher.gate) == ("switching", Gate.ENCRYPT)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("cut", ["lost", "leave"])
def test_no_key_and_no_open_gate_outlives_the_connection(stage, cut):
    call = staged(stage)
    call.server.lost() if cut == "lost" else call.line(type="leave")
    call.drain()
    assert (call.cipher.gate, call.cipher.group_ready) == (Gate.CLOSED, False)
    assert call.state("dave") == ("negotiating" if cut == "lost" else "inactive")
