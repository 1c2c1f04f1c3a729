"""Order and counts are proven by serving slots by hand; the thread is proven with events, never with time."""

import threading

import pytest

from clankvox.clock import SLOT_S, SystemClock
from clankvox.errors import TransportLost
from clankvox.ids import Ssrc
from clankvox.ports import AHEAD_SLOTS, LOW_SLOTS, SendOutcome
from clankvox.shells.pacer import Pacer, PacerStatistics

A, B, NOBODY = Ssrc(1), Ssrc(2), Ssrc(3)
DEADLINE_S = 10.0


class HandClock:
    def __init__(self, now=1000.0):
        self.instant = now

    def now(self):
        return self.instant


class Packet:
    """Writes its name into a journal when it is sent."""

    def __init__(self, name, journal, failure=None):
        self.name = name
        self.journal = journal
        self.failure = failure

    def send(self):
        self.journal.append(f"sent {self.name}")
        if self.failure is not None:
            raise self.failure
        return SendOutcome.SENT


class Subscriber:
    def __init__(self, name, journal):
        self.name = name
        self.journal = journal
        self.reports = []

    def __call__(self, report):
        self.journal.append(f"told {self.name}")
        self.reports.append(report)


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def pacer(clock):
    return Pacer(clock)


@pytest.fixture
def journal():
    return []


def serve(pacer, clock, late_s=0.0):
    clock.instant = max(clock.instant, pacer.next_deadline(NOBODY) + late_s)
    pacer.serve_slot(clock.now())


def test_all_packets_leave_before_any_subscriber_is_told(pacer, clock, journal):
    pacer.subscribe(A, Subscriber("a", journal), Packet("a", journal))
    pacer.subscribe(B, Subscriber("b", journal), Packet("b", journal))
    serve(pacer, clock)
    assert journal == ["sent a", "sent b", "told a", "told b"]


def test_the_first_subscriber_after_idle_is_due_at_once(pacer, clock):
    clock.instant = 1234.567
    pacer.subscribe(A, lambda _report: None, None)
    assert pacer.next_deadline(A) == 1234.567


def test_a_second_subscriber_joins_the_running_grid(pacer, clock):
    pacer.subscribe(A, lambda _report: None, None)
    serve(pacer, clock)
    clock.instant += 0.007
    pacer.subscribe(B, lambda _report: None, None)
    assert pacer.next_deadline(A) == pytest.approx(1000.0 + SLOT_S)


def test_after_a_pause_shorter_than_a_slot_the_old_grid_goes_on(pacer, clock):
    pacer.subscribe(A, lambda _report: None, None)
    serve(pacer, clock)
    pacer.unsubscribe(A)
    clock.instant += 0.003
    pacer.subscribe(A, lambda _report: None, None)
    assert pacer.next_deadline(A) == pytest.approx(1000.0 + SLOT_S)


def test_without_subscribers_a_packet_would_leave_now(pacer, clock):
    assert pacer.next_deadline(A) == clock.now()


def test_an_empty_slot_is_reported_as_empty(pacer, clock, journal):
    subscriber = Subscriber("a", journal)
    pacer.subscribe(A, subscriber, None)
    serve(pacer, clock)
    (report,) = subscriber.reports
    assert report.outcome is SendOutcome.EMPTY
    assert report.packet is None


def test_a_packet_leaves_once(pacer, clock, journal):
    subscriber = Subscriber("a", journal)
    packet = Packet("a", journal)
    pacer.subscribe(A, subscriber, packet)
    serve(pacer, clock)
    serve(pacer, clock)
    assert journal.count("sent a") == 1
    assert [report.packet for report in subscriber.reports] == [packet, None]


def test_a_late_slot_is_served_once_and_the_missed_ones_are_counted(pacer, clock, journal):
    subscriber = Subscriber("a", journal)
    pacer.subscribe(A, subscriber, None)
    serve(pacer, clock)
    pacer.arm(A, Packet("a", journal))
    serve(pacer, clock, late_s=3.5 * SLOT_S)
    report = subscriber.reports[-1]
    assert journal.count("sent a") == 1
    assert report.missed_slots == 3
    assert report.slot_deadline == pytest.approx(1000.0 + 4 * SLOT_S)
    assert report.sent_at == clock.now()
    assert pacer.next_deadline(A) == pytest.approx(1000.0 + 5 * SLOT_S)


def test_packets_leave_in_the_order_in_which_they_were_armed_one_a_slot(pacer, clock, journal):
    pacer.subscribe(A, lambda _report: None, Packet(0, journal))
    for number in range(1, AHEAD_SLOTS):
        assert pacer.arm(A, Packet(number, journal))
    for served in range(1, AHEAD_SLOTS + 1):
        serve(pacer, clock)
        assert journal == [f"sent {number}" for number in range(served)]


def test_no_more_packets_wait_than_may(pacer, journal):
    pacer.subscribe(A, lambda _report: None, None)
    packets = [Packet(number, journal) for number in range(AHEAD_SLOTS)]
    assert all(pacer.arm(A, packet) for packet in packets)
    assert not pacer.arm(A, Packet("one too many", journal))
    assert pacer.disarm(A) == packets


def test_a_packet_that_is_armed_is_due_behind_those_that_wait(pacer, clock, journal):
    pacer.subscribe(A, lambda _report: None, Packet("now", journal))
    pacer.arm(A, Packet("then", journal))
    assert pacer.next_deadline(A) == pytest.approx(1000.0 + 2 * SLOT_S)
    assert pacer.next_deadline(B) == pytest.approx(1000.0)
    serve(pacer, clock, late_s=2.5 * SLOT_S)
    assert pacer.next_deadline(A) == pytest.approx(1000.0 + 4 * SLOT_S)


def test_a_subscriber_hears_only_of_slots_behind_which_little_is_left(pacer, clock, journal):
    subscriber = Subscriber("a", journal)
    packets = [Packet(number, journal) for number in range(AHEAD_SLOTS)]
    pacer.subscribe(A, subscriber, packets[0])
    for packet in packets[1:]:
        pacer.arm(A, packet)
    for _ in range(AHEAD_SLOTS):
        serve(pacer, clock)
    assert [report.packet for report in subscriber.reports] == packets[AHEAD_SLOTS - 1 - LOW_SLOTS :]


def test_a_packet_that_did_not_leave_is_always_told(pacer, clock, journal):
    subscriber = Subscriber("a", journal)
    pacer.subscribe(A, subscriber, Packet("a", journal, TransportLost("gone")))
    for number in range(1, AHEAD_SLOTS):
        pacer.arm(A, Packet(number, journal))
    serve(pacer, clock)
    assert [report.outcome for report in subscriber.reports] == [SendOutcome.FAILED]


def test_statistics_count_slots_slips_and_the_longest_gap(pacer, clock):
    pacer.subscribe(A, lambda _report: None, None)
    serve(pacer, clock)
    serve(pacer, clock, late_s=0.5 * SLOT_S)
    assert pacer.statistics() == PacerStatistics(2, 0, 0, 0.0)
    serve(pacer, clock, late_s=2.25 * SLOT_S)
    slots, missed, slips, max_gap_ms = pacer.statistics()
    assert (slots, missed, slips) == (3, 2, 1)
    assert max_gap_ms == pytest.approx(1000 * (3.25 - 0.5) * SLOT_S)


def test_lateness_is_that_of_each_packet_that_left_behind_the_deadline_of_its_own_slot(pacer, clock, journal):
    pacer.subscribe(A, Subscriber("a", journal), Packet("1", journal))
    serve(pacer, clock, late_s=0.003)
    pacer.arm(A, Packet("2", journal))
    serve(pacer, clock, late_s=2 * SLOT_S + 0.001)
    serve(pacer, clock, late_s=0.004)
    assert journal.count("sent 1") == journal.count("sent 2") == 1
    assert pacer.lateness_s.count == 2, "in an empty slot nothing is late"
    assert pacer.lateness_s.sum == pytest.approx(0.003 + 0.001)


def test_idle_time_is_not_a_gap(pacer, clock):
    pacer.subscribe(A, lambda _report: None, None)
    serve(pacer, clock)
    pacer.unsubscribe(A)
    clock.instant += 3600.0
    pacer.subscribe(A, lambda _report: None, None)
    serve(pacer, clock, late_s=1.5 * SLOT_S)
    assert pacer.statistics().max_gap_ms == pytest.approx(1500 * SLOT_S)


@pytest.mark.parametrize("failure", [TransportLost("gone"), ValueError("bug"), BaseException("native panic")])
def test_a_packet_that_cannot_be_sent_fails_alone(pacer, clock, journal, failure):
    subscriber = Subscriber("a", journal)
    pacer.subscribe(A, subscriber, Packet("a", journal, failure))
    pacer.subscribe(B, Subscriber("b", journal), Packet("b", journal))
    serve(pacer, clock)
    assert subscriber.reports[0].outcome is SendOutcome.FAILED
    assert journal == ["sent a", "sent b", "told a", "told b"]


def test_a_subscriber_that_raises_hurts_no_other_and_is_logged_once(pacer, clock, journal, caplog):
    def broken(_report):
        raise RuntimeError("bug")

    pacer.subscribe(A, broken, None)
    pacer.subscribe(B, Subscriber("b", journal), None)
    serve(pacer, clock)
    serve(pacer, clock)
    assert journal == ["told b", "told b"]
    assert len(caplog.records) == 1


def test_a_packet_without_a_subscription_is_not_taken(pacer, journal):
    assert not pacer.arm(A, Packet("a", journal))


def test_disarm_empties_all_slots(pacer, clock, journal):
    first, second = Packet("a", journal), Packet("b", journal)
    pacer.subscribe(A, lambda _report: None, first)
    pacer.arm(A, second)
    assert pacer.disarm(A) == [first, second]
    assert pacer.disarm(A) == []
    serve(pacer, clock)
    assert journal == []


def test_unsubscribe_returns_what_had_not_left_and_ends_the_reports(pacer, clock, journal):
    packet = Packet("a", journal)
    subscriber = Subscriber("a", journal)
    pacer.subscribe(A, subscriber, packet)
    pacer.subscribe(B, lambda _report: None, None)
    assert pacer.unsubscribe(A) == [packet]
    assert pacer.unsubscribe(A) == []
    serve(pacer, clock)
    assert journal == []


def test_a_subscriber_may_call_back_into_the_pacer(pacer, clock, journal):
    next_packet = Packet("next", journal)

    def on_slot(_report):
        pacer.arm(A, next_packet)
        pacer.unsubscribe(B)

    pacer.subscribe(A, on_slot, None)
    pacer.subscribe(B, lambda _report: None, None)
    serve(pacer, clock)
    assert pacer.disarm(A) == [next_packet]
    assert not pacer.arm(B, next_packet)


def test_a_new_subscription_takes_over_the_slot(pacer, clock, journal):
    pacer.subscribe(A, Subscriber("old", journal), Packet("old", journal))
    pacer.subscribe(A, Subscriber("new", journal), Packet("new", journal))
    serve(pacer, clock)
    assert journal == ["sent new", "told new"]


# --- the packets of pictures ---


def work(pacer):
    """What the thread would do now, by name; None if it would wait."""
    waited = []
    pacer._running = True
    pacer._changed = Waiting(waited)
    pacer._changed.pacer = pacer
    serve = pacer._wait_for_work()
    return None if serve is None else serve.__name__


class Waiting:
    """A condition on which nobody waits: the pacer is told to stop instead."""

    def __init__(self, waited):
        self.waited = waited

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def notify_all(self):
        pass

    def wait(self, timeout):
        self.waited.append(timeout)
        self.pacer._running = False


def test_pictures_leave_between_the_slots_and_report_to_nobody(pacer, clock, journal):
    pacer.subscribe(A, Subscriber("a", journal), None)
    assert pacer.queue(B, [Packet(number, journal) for number in range(20)], 0.0)
    pacer.serve_video(clock.now())
    assert journal == [f"sent {number}" for number in range(8)]


def test_an_audio_slot_that_is_due_goes_before_pictures_that_are(pacer, clock, journal):
    pacer.subscribe(A, lambda _report: None, None)
    pacer.queue(B, [Packet("picture", journal)], 0.0)
    assert work(pacer) == "serve_slot"


def test_no_pictures_leave_just_before_an_audio_slot(pacer, clock, journal):
    pacer.subscribe(A, lambda _report: None, None)
    serve(pacer, clock)
    pacer.queue(B, [Packet("picture", journal)], 0.0)
    clock.instant = pacer.next_deadline(NOBODY) - 0.0004
    assert work(pacer) is None, "it waits for the slot"
    clock.instant = pacer.next_deadline(NOBODY) - 0.0006
    assert work(pacer) == "serve_video"


def test_without_audio_pictures_leave_at_once(pacer, clock, journal):
    pacer.queue(B, [Packet("picture", journal)], 0.03)
    assert work(pacer) == "serve_video"


@pytest.mark.parametrize("failure", [TransportLost("gone"), ValueError("bug"), BaseException("native panic")])
def test_a_picture_that_cannot_be_sent_costs_nobody_else_and_is_logged_once(pacer, clock, journal, caplog, failure):
    pacer.queue(B, [Packet(0, journal, failure), Packet(1, journal, failure), Packet(2, journal)], 0.0)
    pacer.serve_video(clock.now())
    assert journal == ["sent 0", "sent 1", "sent 2"]
    assert len(caplog.records) == 1


def test_what_waits_can_be_taken_back(pacer, clock, journal):
    first, second = [Packet("a", journal), Packet("b", journal)], [Packet("c", journal)]
    pacer.queue(B, first, 0.03)
    pacer.queue(B, second, 0.03)
    assert pacer.backlog_s(B) > 0.03
    pacer.serve_video(clock.now())
    assert pacer.clear(B) == second
    assert pacer.drop(B) == [first[1]]
    assert pacer.backlog_s(B) == 0.0


@pytest.fixture
def running():
    pacer = Pacer(SystemClock())
    pacer.start()
    yield pacer
    pacer.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "pacer"]


def test_the_thread_wakes_for_the_first_subscriber_and_again_after_idle(running, journal):
    for _ in range(3):
        told = threading.Event()
        running.subscribe(A, lambda _report, told=told: told.set(), Packet("first", journal))
        assert told.wait(DEADLINE_S)
        running.unsubscribe(A)
    assert journal == ["sent first"] * 3


def test_the_thread_sends_what_each_report_prepares_in_order(running, journal):
    done = threading.Event()

    def on_slot(_report):
        if len(journal) == 10:
            done.set()
        else:
            running.arm(A, Packet(len(journal), journal))

    running.subscribe(A, on_slot, Packet(0, journal))
    assert done.wait(DEADLINE_S)
    assert journal == [f"sent {number}" for number in range(10)]


class WatchedCondition(threading.Condition):
    """Tells when somebody begins to wait without a time limit."""

    def __init__(self):
        super().__init__(threading.Lock())
        self.timeouts = []
        self.untimed = threading.Semaphore(0)

    def wait(self, timeout=None):
        self.timeouts.append(timeout)
        if timeout is None:
            self.untimed.release()
        return super().wait(timeout)


def test_the_thread_wakes_for_a_picture_and_sends_all_of_it(running, journal):
    class Last(Packet):
        def send(self):
            super().send()
            done.set()

    for _ in range(3):
        journal.clear()
        done = threading.Event()
        running.queue(B, [*(Packet(number, journal) for number in range(30)), Last("last", journal)], 0.01)
        assert done.wait(DEADLINE_S)
        assert journal == [*(f"sent {number}" for number in range(30)), "sent last"]


def test_sound_and_pictures_leave_side_by_side(running, journal):
    slots = threading.Semaphore(0)
    running.subscribe(A, lambda _report: slots.release(), None)
    running.queue(B, [Packet(number, journal) for number in range(400)], 0.2)
    for _ in range(5):
        assert slots.acquire(timeout=DEADLINE_S)
    running.unsubscribe(A)
    while running.backlog_s(B):
        running.subscribe(A, lambda _report: slots.release(), None)
        assert slots.acquire(timeout=DEADLINE_S)
    assert journal == [f"sent {number}" for number in range(400)]


def test_the_idle_thread_waits_without_wake_ups():
    pacer = Pacer(SystemClock())
    pacer._changed = condition = WatchedCondition()
    pacer.start()
    try:
        assert condition.untimed.acquire(timeout=DEADLINE_S)
        pacer.subscribe(A, lambda _report: pacer.unsubscribe(A), None)
        assert condition.untimed.acquire(timeout=DEADLINE_S)
        assert condition.timeouts == [None, None]
        assert pacer.statistics().slots == 1
    finally:
        pacer.stop()


def test_every_packet_is_sent_or_returned_and_never_both(running):
    """Race arm and disarm of another thread against the slots."""
    journal, returned = [], []
    slots = threading.Semaphore(0)
    running.subscribe(A, lambda _report: slots.release(), None)
    armed = 0
    for _ in range(25):
        for _ in range(40):
            for _ in range(armed % (AHEAD_SLOTS - 1) + 1):
                assert running.arm(A, Packet(armed, journal))
                armed += 1
            returned += [packet.name for packet in running.disarm(A)]
        assert running.arm(A, Packet(armed, journal))
        armed += 1
        assert slots.acquire(timeout=DEADLINE_S)
    last = running.unsubscribe(A)
    running.stop()
    returned += [packet.name for packet in last]
    sent = [int(entry.removeprefix("sent ")) for entry in journal]
    assert sorted(sent + returned) == list(range(armed))
    assert sent


def test_nothing_leaves_after_stop(running, journal):
    told = threading.Event()
    running.subscribe(A, lambda _report: told.set(), None)
    assert told.wait(DEADLINE_S)
    running.stop()
    packet = Packet("late", journal)
    running.arm(A, packet)
    assert running.disarm(A) == [packet]
    assert journal == []


def test_stop_from_a_subscriber_does_not_deadlock(running):
    stopped = threading.Event()
    running.subscribe(A, lambda _report: (running.stop(), stopped.set()), None)
    assert stopped.wait(DEADLINE_S)
    running.unsubscribe(A)


def test_a_stopped_pacer_can_start_again(running):
    running.stop()
    running.start()
    running.start()
    told = threading.Event()
    running.subscribe(A, lambda _report: told.set(), None)
    assert told.wait(DEADLINE_S)
