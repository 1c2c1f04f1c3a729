"""Lost links and their ends, and how long encryption was on its way."""

import itertools

from clankvox.fsm.base import Transition
from clankvox.fsm.connection import ConnectionMachine
from clankvox.ids import PLAYBACK, Role, connection_address, dave_address
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
    assert tally.reconnects == {(Role.VOICE, "resumed"): 1}


def test_a_link_that_came_back_and_one_that_did_not():
    tally = TransitionTally(ManualClock())
    through(tally, VOICE, "idle", "awaiting_credentials", "connecting", "ready")
    assert (dict(tally.links_lost), dict(tally.reconnects)) == ({}, {})
    through(tally, VOICE, "ready", "reconnecting", "connecting", "reconnecting", "connecting", "ready")
    through(tally, VOICE, "ready", "dave_transition", "reconnecting", "closed")
    assert tally.links_lost == {Role.VOICE: 3}
    assert tally.reconnects == {(Role.VOICE, "new_session"): 1, (Role.VOICE, "gave_up"): 1}


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
