"""For whom a member seals, as the libraries do it: davey from the commit on, libdave from the execution on."""

from collections import Counter

import pytest

from clankvox.ids import UserId
from clankvox.loopback.sealing_group import SealingGroup
from clankvox.wire.gateway_ops import ExecuteTransition, Op, PrepareTransition

ALICE, BOB, CAROL = (frozenset({UserId(user)}) for user in (1, 2, 3))
BEFORE, AFTER = ALICE | BOB, ALICE | BOB | CAROL


def group(library):
    counted = Counter()
    sealing = SealingGroup(library, counted)
    sealing.note(Op.MLS_WELCOME, b"\0\0welcome", BEFORE)
    return sealing, counted


@pytest.mark.parametrize(("library", "meanwhile"), [("davey", AFTER), ("libdave", BEFORE)])
def test_a_change_counts_from_the_commit_or_from_its_execution(library, meanwhile):
    sealing, _ = group(library)
    assert sealing.members == BEFORE
    sealing.note(Op.MLS_ANNOUNCE_COMMIT, b"\0\7commit", AFTER)
    assert sealing.members == meanwhile
    sealing.note(Op.EXECUTE_TRANSITION, ExecuteTransition(transition_id=6), BEFORE)
    assert sealing.members == meanwhile
    sealing.note(Op.EXECUTE_TRANSITION, ExecuteTransition(transition_id=7), BEFORE)
    assert sealing.members == AFTER


@pytest.mark.parametrize("library", ["davey", "libdave"])
def test_what_brings_no_key_changes_nothing(library):
    sealing, _ = group(library)
    sealing.note(Op.MLS_PROPOSALS, b"\0\7", AFTER)
    sealing.note(Op.PREPARE_TRANSITION, PrepareTransition(transition_id=7, protocol_version=0), AFTER)
    assert sealing.members == BEFORE


def test_a_frame_counts_for_each_who_gets_it_and_was_not_in_the_group():
    sealing, counted = group("davey")
    sealing.count(sealing.members, sorted(BOB | CAROL))
    sealing.count(frozenset(), sorted(CAROL))
    assert counted == {UserId(3): 2}
