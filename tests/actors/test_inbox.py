import threading

import pykka
import pytest
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from clankvox.actors.inbox import ClockedInbox
from tests.support.manual_clock import ManualClock

DEADLINE_S = 10.0


def put(inbox, *messages):
    for message in messages:
        inbox.put(Envelope(message))


def popped(inbox, now=0.0):
    found = []
    while (envelope := inbox.pop_due(now)) is not None:
        found.append(envelope.message)
    return found


def test_mail_keeps_its_order_and_goes_before_timers():
    inbox = ClockedInbox(ManualClock(0.0))
    inbox.schedule(0.0, "timer")
    put(inbox, "one", "two")
    assert popped(inbox) == ["one", "two", "timer"]


def test_a_stop_overtakes_everything():
    inbox = ClockedInbox(ManualClock(0.0))
    put(inbox, "one", "two", _ActorStop())
    assert isinstance(inbox.get().message, _ActorStop)


def test_timers_fire_in_order_of_time_and_then_of_their_making():
    inbox = ClockedInbox(ManualClock(0.0))
    for due, name in ((2.0, "late"), (1.0, "first"), (1.0, "second")):
        inbox.schedule(due, name)
    assert inbox.next_timer() == 1.0
    assert popped(inbox, 0.9) == []
    assert popped(inbox, 1.0) == ["first", "second"]
    assert popped(inbox, 2.0) == ["late"]
    assert inbox.next_timer() is None


def test_messages_are_never_compared():
    inbox = ClockedInbox(ManualClock(0.0))
    inbox.schedule(1.0, object())
    inbox.schedule(1.0, object())
    assert len(popped(inbox, 1.0)) == 2


def test_depth_is_gauged_and_timers_are_no_mail():
    inbox = ClockedInbox(ManualClock(0.0))
    inbox.schedule(5.0, "timer")
    assert inbox.empty()
    put(inbox, "one", "two")
    popped(inbox)
    assert (len(inbox), inbox.deepest, inbox.empty()) == (0, 2, True)


def test_get_waits_for_mail_of_another_thread():
    inbox = ClockedInbox()
    got = []
    reader = threading.Thread(target=lambda: got.append(inbox.get().message))
    reader.start()
    put(inbox, "mail")
    reader.join(DEADLINE_S)
    assert got == ["mail"]


def test_get_wakes_for_a_timer_that_is_made_while_it_waits():
    inbox = ClockedInbox()
    got = []
    reader = threading.Thread(target=lambda: got.append(inbox.get().message))
    reader.start()
    inbox.schedule(inbox.clock.now() + 0.01, "timer")
    reader.join(DEADLINE_S)
    assert got == ["timer"]


def test_who_writes_to_one_that_takes_no_more_mail_learns_of_it():
    inbox = ClockedInbox(ManualClock())
    inbox.put(Envelope("before"))
    assert inbox.close() == ["before"]
    with pytest.raises(pykka.ActorDeadError):
        inbox.put(Envelope("behind"))
    assert inbox.close() == ["before"]
    inbox.put(Envelope(_ActorStop()))
    assert isinstance(inbox.get().message, _ActorStop), "whoever wants it to stop still may"
