"""Lost links and their ends, and how long encryption was on its way."""

import itertools
import logging
from functools import partial

import pytest

from clankvox.fsm import CaptureMachine
from clankvox.fsm.base import Transition
from clankvox.fsm.connection import ConnectionMachine
from clankvox.ids import PLAYBACK, Role, UserId, capture_address, connection_address, dave_address
from clankvox.transition_tally import TransitionTally
from tests.support.manual_clock import ManualClock

VOICE, DAVE = connection_address(Role.VOICE), dave_address(Role.VOICE)


def through(tally, address, *states):
    for source, target in itertools.pairwise(states):
        tally.observe(address, Transition("M", "event", source, target))


def test_a_resumed_session_is_told_from_a_new_one():
    tally = TransitionTally(ManualClock())
    event = next(event.id for event in ConnectionMachine.events if event.id == "session_resumed")
    through(tally, VOICE, "ready", "reconnecting")
    tally.observe(VOICE, Transition("M", event, "reconnecting", "ready"))
    assert tally.reconnects == {(Role.VOICE, "none", "resumed"): 1}


@pytest.mark.parametrize(
    ("cause", "code"),
    [
        ("server_crashed", "4015"),
        ("dave_required", "4017"),
        ("unknown", "unknown"),
        ("transport_lost", "none"),
        ("keepalives_unanswered", "none"),
        ("token-of-a-hostile-server", "none"),
    ],
)
def test_the_close_code_that_began_an_outage_is_its_label_and_no_other_word_ever_is(cause, code):
    machine = ConnectionMachine(lambda taken: tally.observe(VOICE, taken), start_value="ready")
    tally = TransitionTally(ManualClock())
    machine.connection_lost(cause=cause)
    machine.resume_failed()
    machine.gave_up(cause="session_timeout")
    assert tally.links_lost == {(Role.VOICE, code): 1}
    assert tally.reconnects == {(Role.VOICE, code, "gave_up"): 1}


def test_every_transition_is_logged_as_whose_it_was_and_without_text_of_its_own(caplog):
    tally = TransitionTally(ManualClock())
    with caplog.at_level(logging.DEBUG, logger="clankvox.fsm"):
        ConnectionMachine(partial(tally.observe, connection_address(Role.STREAM_WATCH))).joined()
        CaptureMachine(partial(tally.observe, capture_address(UserId(42)))).subscribed()
    assert {record.getMessage() for record in caplog.records} == {"transition"}
    ours, theirs = (record.fields for record in caplog.records)
    assert (ours["role"], ours["machine"], ours["event"], "user_id" in ours, "cause" in ours) == (
        "stream_watch",
        "ConnectionMachine",
        "joined",
        False,
        False,
    )
    assert (theirs["role"], theirs["user_id"], theirs["source"], theirs["target"]) == ("voice", 42, "idle", "armed")


def test_a_connection_that_ends_at_once_is_lost_and_given_up_as_well_and_one_that_is_left_is_neither():
    tally = TransitionTally(ManualClock())
    machine = ConnectionMachine(lambda taken: tally.observe(VOICE, taken), start_value="ready")
    machine.gave_up(cause="dave_required")
    through(tally, VOICE, "ready", "idle")
    assert tally.links_lost == {(Role.VOICE, "4017"): 1}
    assert tally.reconnects == {(Role.VOICE, "4017", "gave_up"): 1}


def test_a_link_that_came_back_and_one_that_did_not():
    tally = TransitionTally(ManualClock())
    through(tally, VOICE, "idle", "awaiting_credentials", "connecting", "ready")
    assert (dict(tally.links_lost), dict(tally.reconnects)) == ({}, {})
    through(tally, VOICE, "ready", "reconnecting", "connecting", "reconnecting", "connecting", "ready")
    through(tally, VOICE, "ready", "dave_transition", "reconnecting", "closed")
    assert tally.links_lost == {(Role.VOICE, "none"): 3}
    assert tally.reconnects == {(Role.VOICE, "none", "new_session"): 1, (Role.VOICE, "none", "gave_up"): 1}


def test_a_change_of_the_group_lasts_from_its_first_news_until_the_group_is_there():
    clock = ManualClock()
    tally = TransitionTally(clock)
    through(tally, DAVE, "inactive", "negotiating")
    clock.advance(0.3)
    through(tally, DAVE, "negotiating", "switching")
    clock.advance(0.2)
    through(tally, DAVE, "switching", "established")
    histogram = tally.dave_transition_s[Role.VOICE]
    assert (histogram.cumulative()[-1], round(histogram.sum, 6)) == (1, 0.5)


def test_a_change_that_ends_alone_or_in_clear_is_no_transition():
    clock = ManualClock()
    tally = TransitionTally(clock)
    through(tally, DAVE, "inactive", "negotiating", "alone")
    through(tally, DAVE, "alone", "rekeying", "disabled")
    clock.advance(1.0)
    through(tally, DAVE, "disabled", "negotiating", "established")
    histogram = tally.dave_transition_s[Role.VOICE]
    assert (histogram.cumulative()[-1], histogram.sum) == (1, 0.0)


def test_other_machines_are_not_counted():
    tally = TransitionTally(ManualClock())
    through(tally, PLAYBACK, "ready", "reconnecting")
    assert not tally.links_lost
