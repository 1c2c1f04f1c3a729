"""Who left is heard to the end of what he sent, and the group hears of nothing before that may take his key."""

import pytest

from clankvox.actors.farewells import (
    FAREWELL_LIMIT_S,
    FAREWELL_S,
    MOST_NEWS,
    READ_OUT_LIMIT_S,
    READ_OUT_S,
    Farewells,
)
from clankvox.messages.connection import FarewellDue
from tests.support.manual_clock import ManualClock

LOOKS = round(FAREWELL_LIMIT_S / FAREWELL_S)


class Desk:
    """Stands in for the connection's actor, whose timers it fires by hand, and for the pipeline."""

    def __init__(self):
        self.clock, self.timers = ManualClock(), []
        self.speakers, self.waiting, self.unread = {42, 43}, set(), False
        self.told, self.forgotten, self.woken = [], [], 0
        self.farewells = Farewells(
            self.clock,
            self,
            wake_udp=self._wake,
            later=lambda delay_s, timer: self.timers.append((self.clock.now() + delay_s, timer)),
            tell_dave=self.told.append,
            forget=self.forgotten.append,
        )

    def _wake(self):
        self.woken += 1

    # --- what is asked of the pipeline ---

    def expects(self, user):
        return user in self.speakers

    def has_last_words(self, user, _left_at):
        return user in self.waiting

    def was_read_out(self, _since):
        return not self.unread

    # --- time ---

    def fire(self):
        """Let the next timer come, at its time or where the clock is already."""
        self.timers.sort(key=lambda timer: timer[0])
        due, timer = self.timers.pop(0)
        self.clock.move_to(max(self.clock.now(), due))
        if isinstance(timer, FarewellDue):
            self.farewells.farewell_due(timer)
        else:
            self.farewells.read_out_due(timer)

    def fire_until(self, happened):
        for _ in range(10 * LOOKS * round(FAREWELL_S / READ_OUT_S)):
            if happened():
                return
            self.fire()
        raise AssertionError("timers without end")

    def bid(self, user=42):
        self.farewells.bid(1, user)

    def pass_on(self, *news):
        for each in news:
            self.farewells.pass_on(1, each)


@pytest.fixture
def desk():
    return Desk()


def test_who_was_never_announced_as_a_speaker_is_forgotten_at_once(desk):
    desk.bid(44)
    assert (desk.forgotten, desk.timers, desk.woken) == ([44], [], 0)


def test_who_spoke_is_heard_on_for_a_moment_though_nothing_of_him_waits(desk):
    desk.bid()
    desk.bid()
    assert (desk.forgotten, len(desk.timers), desk.woken) == ([], 1, 1)
    begun = desk.clock.now()
    desk.fire()
    assert desk.forgotten == [42]
    assert desk.clock.now() - begun == pytest.approx(FAREWELL_S)


def test_what_waits_for_its_key_is_waited_for_and_no_longer_than_it_may_take(desk):
    desk.bid()
    desk.waiting.add(42)
    begun = desk.clock.now()
    desk.fire_until(lambda: desk.forgotten)
    assert desk.clock.now() - begun == pytest.approx(FAREWELL_LIMIT_S)
    assert desk.timers == []


def test_a_stall_is_one_look_late_and_no_end_of_the_wait(desk):
    desk.bid()
    desk.waiting.add(42)
    desk.clock.advance(10 * FAREWELL_LIMIT_S)
    desk.fire()
    assert desk.forgotten == []
    desk.waiting.clear()
    desk.fire()
    assert desk.forgotten == [42]


def test_who_comes_back_begins_anew_and_his_first_farewell_does_not_end_his_second(desk):
    desk.bid()
    desk.clock.advance(FAREWELL_S / 2)
    desk.farewells.end(42)
    desk.farewells.end(42)
    assert desk.forgotten == [42]
    desk.bid()
    desk.fire()
    assert desk.forgotten == [42], "the timer of the first"
    desk.fire()
    assert desk.forgotten == [42, 42]


def test_news_go_straight_on_while_nobody_leaves_or_the_socket_is_read_out(desk):
    desk.unread = True
    desk.pass_on("a")
    assert desk.told == ["a"]
    desk.unread = False
    desk.bid()
    desk.pass_on("b")
    assert (desk.told, desk.woken) == (["a", "b"], 1)


def test_news_behind_a_leaving_wait_until_the_socket_is_read_out_and_keep_their_order(desk):
    desk.unread = True
    desk.bid()
    desk.pass_on("a", "b")
    desk.fire()
    assert (desk.told, desk.woken) == ([], 2)
    desk.unread = False
    desk.pass_on("c")
    assert desk.told == [], "what came first goes first"
    desk.fire()
    assert desk.told == ["a", "b", "c"]
    desk.pass_on("d")
    assert desk.told[-1] == "d"


def test_a_socket_that_is_never_read_out_keeps_news_for_so_long_only(desk):
    desk.unread = True
    desk.waiting.add(42)
    desk.bid()
    desk.pass_on("a")
    begun = desk.clock.now()
    desk.fire_until(lambda: desk.told)
    assert READ_OUT_LIMIT_S <= desk.clock.now() - begun <= READ_OUT_LIMIT_S + 2 * READ_OUT_S


def test_a_stall_does_not_let_news_overtake_what_was_said_before_them(desk):
    desk.unread = True
    desk.waiting.add(42)
    desk.bid()
    desk.pass_on("a")
    desk.clock.advance(4 * READ_OUT_LIMIT_S)
    for _ in range(5):
        desk.fire()
    assert desk.told == []
    for _ in range(2 * LOOKS):
        desk.fire()
    assert desk.told == ["a"]


def test_too_many_news_are_told_at_once_and_in_order(desk):
    desk.unread = True
    desk.bid()
    desk.pass_on(*range(MOST_NEWS))
    assert desk.told == list(range(MOST_NEWS))


def test_the_end_of_the_session_ends_all_farewells_and_drops_what_was_not_told(desk):
    desk.unread = True
    desk.bid(42)
    desk.bid(43)
    desk.pass_on("a")
    desk.farewells.end_all()
    assert (desk.forgotten, desk.told) == ([42, 43], [])
    desk.fire_until(lambda: not desk.timers)
    assert (desk.forgotten, desk.told) == ([42, 43], [])
