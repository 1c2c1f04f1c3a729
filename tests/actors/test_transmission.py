"""One outgoing stream: what is made leaves once, in order, or has another fate; whoever makes the frames."""

from itertools import pairwise
from random import Random

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from clankvox.actors.output import Output
from clankvox.actors.transmission import FAILURE_LIMIT, NOT_ENCRYPTED, NOT_SENT, Transmission
from clankvox.errors import MlsError, TransportLost
from clankvox.fsm.transmission import Flow
from clankvox.media.frame_cipher import FrameCipher, Gate
from clankvox.media.frame_ledger import FrameFate, FrameLedger
from clankvox.media.packet_sealer import PacketSealer
from clankvox.media.rtp_sender import OpusFrame
from clankvox.ports import AHEAD_SLOTS, LOW_SLOTS, SendOutcome
from clankvox.wire.rtp import SILENCE_FRAME, parse_header
from clankvox.wire.transport_crypto import TransportMode
from tests.support.fake_shells import SteppedPacer
from tests.support.manual_clock import ManualClock


class Maker:
    """Makes numbered frames for as long as it has any; reports of slots wait until the test hands them on."""

    def __init__(self):
        self.clock = ManualClock()
        self.pacer = SteppedPacer(self.clock)
        self.cipher = FrameCipher()
        self.cipher.set_gate(Gate.CLEAR)
        self.wire, self.broken = [], False
        self.during = None
        """What happens once while a packet is being sent, as on another thread."""
        self.sealer = PacketSealer(TransportMode.XCHACHA20, bytes(32))
        self.ledger = FrameLedger()
        self.frames, self.made, self.certain = 0, 0, True
        self.places, self.on_making = [], lambda number: None
        self.fates, self.flags, self.broken_ways, self.reports, self.idle = [], [], [], [], 0
        self.transmission = Transmission(Output(self.cipher, self.pacer, self._transmit, self.ledger, Random(1)), self)

    def _transmit(self, datagram):
        during, self.during = self.during, None
        if during is not None:
            during()
        if self.broken:
            raise TransportLost("no socket")
        header = parse_header(datagram)
        self.places.append(header.sequence)
        self.wire.append(self.sealer.open(datagram, header.clear_bytes))

    # FrameMaker

    def next_frame(self, deadline_s):
        if not self.frames:
            return None
        self.frames -= 1
        self.made += 1
        self.on_making(self.made)
        return OpusFrame(b"%d" % self.made, audible=True)

    def frame_ahead(self, deadline_s):
        return self.next_frame(deadline_s) if self.certain else None

    def frame_over(self, frame, fate):
        self.fates.append((frame.payload, fate))

    def speaking_changed(self, ssrc, *, speaking):
        assert ssrc == 42
        self.flags.append(speaking)

    def nothing_to_send(self):
        self.idle += 1

    def way_broken(self, what, *, again):
        self.broken_ways.append((what, again))

    def slot_served(self, path, report):
        self.reports.append((path, report))

    # the test

    def open(self, frames=0):
        self.frames = frames
        self.transmission.open(42, self.sealer)
        return self

    def slot(self):
        """Serve the slot that is due; its report waits."""
        due = self.pacer.due()
        if due is None:
            return False
        self.clock.move_to(max(due, self.clock.now()))
        self.pacer.serve_slot(self.clock.now())
        return True

    def hear(self):
        while self.reports:
            self.transmission.on_slot(self.reports.pop(0)[0])

    def run(self, slots=100):
        for _ in range(slots):
            self.hear()
            if not self.slot():
                return

    def speech(self):
        return [frame for frame in self.wire if frame != SILENCE_FRAME]

    def gaps(self):
        return {(after - before) & 0xFFFF for before, after in pairwise(self.places)}

    def balanced(self):
        self.ledger.check(self.transmission.pending_frames)
        assert self.ledger.fates[FrameFate.SENT] == len(self.wire)


def test_all_frames_leave_in_order_between_two_flags_and_five_frames_of_silence_follow():
    maker = Maker().open(3)
    assert maker.transmission.flow is Flow.TICKING
    maker.run()
    assert maker.wire == [b"1", b"2", b"3", *[SILENCE_FRAME] * 5]
    assert maker.flags == [True, False]
    assert maker.transmission.flow is Flow.RESTING
    assert maker.idle
    maker.balanced()


def test_nothing_is_asked_for_before_there_is_a_way_or_while_nothing_may_leave():
    maker = Maker()
    maker.frames = 1
    maker.transmission.begin()
    maker.cipher.set_gate(Gate.CLOSED)
    maker.open(1)
    assert (maker.made, maker.transmission.flow) == (0, Flow.RESTING)
    maker.cipher.set_gate(Gate.CLEAR)
    maker.transmission.begin()
    assert maker.made == 1


def test_what_was_prepared_when_the_link_was_lost_leaves_on_the_next_one():
    maker = Maker().open(4)
    maker.run(2)
    maker.transmission.suspend()
    assert maker.transmission.flow is Flow.SUSPENDED
    maker.transmission.begin()
    assert not maker.slot()
    maker.open(maker.frames)
    maker.run()
    assert maker.speech() == [b"1", b"2", b"3", b"4"]
    assert maker.flags == [True, False, True, False]
    maker.balanced()


def test_a_packet_that_left_while_it_was_to_be_taken_back_is_counted_as_sent():
    maker = Maker().open(2)
    maker.slot()
    maker.transmission.suspend()
    maker.balanced_after = maker.hear()
    assert maker.fates == [(b"1", FrameFate.SENT)]
    assert maker.transmission.pending_frames == 0
    maker.balanced()


def test_a_change_of_key_seals_the_same_frame_anew():
    maker = Maker().open(2)
    maker.cipher.set_gate(Gate.CLOSED)
    maker.cipher.set_gate(Gate.CLEAR)
    maker.run()
    assert maker.speech() == [b"1", b"2"]
    assert maker.ledger.resealed == 1
    maker.balanced()


def test_a_retracted_frame_never_leaves_and_the_silence_that_was_owed_still_does():
    maker = Maker().open(2)
    maker.frames = 0
    maker.transmission.retract(armed=True)
    maker.run()
    assert maker.wire == [SILENCE_FRAME] * 5
    assert maker.fates[0] == (b"1", FrameFate.DROPPED)
    maker.balanced()


def test_silence_that_was_retracted_is_owed_again():
    maker = Maker().open(1)
    maker.run(3)
    maker.hear()
    maker.transmission.retract(armed=True)
    maker.run()
    assert maker.wire.count(SILENCE_FRAME) == 5


def test_without_the_armed_one_a_retraction_drops_only_what_waits_to_be_sealed_anew():
    maker = Maker().open(2)
    maker.transmission.retract(armed=False)
    maker.run()
    assert maker.speech() == [b"1", b"2"]
    maker.open(2)
    maker.transmission.suspend()
    maker.transmission.retract(armed=False)
    maker.open(0)
    maker.run()
    assert maker.speech() == [b"1", b"2"]
    maker.balanced()


def test_close_leaves_nothing_behind():
    maker = Maker().open(3)
    maker.run(2)
    maker.transmission.close()
    maker.hear()
    assert not maker.slot()
    assert not maker.transmission.owes
    assert maker.transmission.flow is Flow.CLOSED
    maker.balanced()


@pytest.mark.parametrize(("fault", "what"), [("send", NOT_SENT), ("seal", NOT_ENCRYPTED)])
def test_half_a_second_without_success_is_told_once_a_half_second_and_logged_once(fault, what, monkeypatch, caplog):
    maker = Maker()
    if fault == "send":
        maker.broken = True
    else:
        monkeypatch.setattr(FrameCipher, "seal_opus", _refuse)
    maker.open(FAILURE_LIMIT * 3)
    for _ in range(FAILURE_LIMIT * 2 + 5):
        maker.transmission.begin()
        maker.run(1)
        maker.hear()
    assert maker.broken_ways in ([(what, False), (what, True)], [(what, False), (what, True), (what, True)])
    assert [record.fields for record in caplog.records] == [{"why": what}]
    maker.balanced()


def test_another_reason_is_told_as_a_new_one(monkeypatch):
    maker = Maker()
    maker.broken = True
    maker.open(FAILURE_LIMIT * 3)
    for number in range(FAILURE_LIMIT * 2):
        if number == FAILURE_LIMIT:
            monkeypatch.setattr(FrameCipher, "seal_opus", _refuse)
        maker.transmission.begin()
        maker.run(1)
        maker.hear()
    assert maker.broken_ways == [(NOT_SENT, False), (NOT_ENCRYPTED, False)]


def _refuse(_cipher, _frame):
    raise MlsError("no")


@settings(max_examples=150, deadline=None)
@example(steps=[("make", ""), ("slot", "retract")])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "slot",
                    "slot",
                    "hear",
                    "hear",
                    "make",
                    "key",
                    "suspend",
                    "open",
                    "begin",
                    "break",
                    "mend",
                    "retract",
                    "drop",
                    "close",
                    "more",
                    "renew",
                    "unsure",
                ]
            ),
            st.sampled_from(["", "", "", "key", "suspend", "retract", "drop", "open", "close"]),
        ),
        max_size=60,
    )
)
def test_in_any_order_every_frame_has_one_fate_and_none_leaves_twice(steps):
    maker = Maker().open(2)
    actions = {
        "slot": maker.slot,
        "hear": maker.hear,
        "make": lambda: setattr(maker, "frames", 3),
        "key": lambda: (maker.cipher.set_gate(Gate.CLOSED), maker.cipher.set_gate(Gate.CLEAR)),
        "suspend": maker.transmission.suspend,
        "open": lambda: maker.open(maker.frames),
        "begin": maker.transmission.begin,
        "break": lambda: setattr(maker, "broken", True),
        "mend": lambda: setattr(maker, "broken", False),
        "retract": lambda: maker.transmission.retract(armed=True),
        "drop": lambda: maker.transmission.retract(armed=False),
        "close": maker.transmission.close,
        "more": lambda: setattr(maker, "frames", 12),
        "renew": maker.transmission.renew,
        "unsure": lambda: setattr(maker, "certain", not maker.certain),
    }
    for step, meanwhile in steps:
        maker.during = actions.get(meanwhile) if step == "slot" else None
        actions[step]()
        maker.ledger.check(maker.transmission.pending_frames)
    maker.hear()
    maker.transmission.settle()  # the pacer does not tell of a slot behind which there are enough others
    maker.balanced()
    numbers = [int(frame) for frame in maker.speech()]
    assert numbers == sorted(set(numbers))


# --- ahead of the slots -----------------------------------------------------------------------------------------------


def test_an_actor_that_gets_no_time_for_two_slots_costs_none():
    maker = Maker().open(20)
    maker.run(4)
    while maker.speech() != [b"%d" % number for number in range(1, 21)]:
        while not maker.reports:
            assert maker.slot()
        assert all(maker.slot() for _ in range(LOW_SLOTS)), "behind the slot that was told of there are so many more"
        assert {report.outcome for _, report in maker.reports} <= {SendOutcome.SENT}
        maker.hear()
    maker.balanced()


def test_it_wakes_its_actor_for_several_frames_at_once():
    maker = Maker().open(100)
    heard = 0
    while len(maker.wire) < 100:
        heard += len(maker.reports)
        maker.hear()
        maker.slot()
    assert heard <= 100 / (AHEAD_SLOTS - LOW_SLOTS) + 3


def test_what_is_not_certain_yet_is_made_one_slot_ahead():
    maker = Maker()
    maker.certain = False
    maker.open(5)
    for served in range(1, 6):
        maker.slot()
        maker.hear()
        assert maker.transmission.pending_frames <= 1
        assert maker.made == min(5, served + 1)
    maker.run()
    assert maker.speech() == [b"1", b"2", b"3", b"4", b"5"]


def test_silence_is_never_made_ahead_so_that_what_is_said_next_waits_for_one_slot_only():
    maker = Maker().open(1)
    maker.run(3)
    maker.hear()
    assert maker.wire[1:] == [SILENCE_FRAME] * 2
    maker.frames = 1
    maker.slot()
    maker.hear()
    maker.slot()
    assert maker.wire[1:] == [*[SILENCE_FRAME] * 3, b"2"]


def test_of_what_waits_nothing_leaves_after_a_stop_and_what_left_is_known_at_once():
    maker = Maker().open(20)
    maker.run(4)
    maker.hear()
    waiting = maker.transmission.pending_frames
    assert waiting > 1
    maker.slot()
    maker.frames = 0
    maker.transmission.retract(armed=True)
    said = maker.speech()
    assert [payload for payload, fate in maker.fates if fate is FrameFate.SENT] == said
    assert len([payload for payload, fate in maker.fates if fate is FrameFate.DROPPED]) == waiting - 1
    maker.run()
    assert maker.speech() == said
    assert maker.wire[-5:] == [SILENCE_FRAME] * 5
    maker.balanced()


def test_a_change_of_key_that_is_told_before_the_next_slot_costs_none():
    maker = Maker().open(12)
    maker.run(3)
    maker.hear()
    maker.cipher.accept_clear_until(1.0)
    maker.transmission.renew()
    assert maker.ledger.resealed > 1
    maker.run()
    assert {report.outcome for _, report in maker.reports} <= {SendOutcome.SENT}
    assert maker.speech() == [b"%d" % number for number in range(1, 13)]
    assert len(set(maker.places)) == len(maker.places)
    assert maker.gaps() == {1}
    maker.balanced()


def test_a_gate_that_closes_while_a_frame_is_made_keeps_it_until_it_opens():
    maker = Maker()
    maker.on_making = lambda number: maker.cipher.set_gate(Gate.CLOSED) if number == 3 else None
    maker.open(5).run()
    kept = maker.speech()
    assert maker.made == 3
    maker.cipher.set_gate(Gate.CLEAR)
    maker.transmission.renew()
    maker.transmission.begin()
    maker.run()
    assert maker.speech() == [b"1", b"2", b"3", b"4", b"5"]
    assert len(kept) < 3
    assert {fate for _, fate in maker.fates} == {FrameFate.SENT}
    maker.balanced()


@pytest.mark.parametrize("stale_slots", [1, 2, 3])
def test_a_change_of_key_that_nobody_told_costs_its_slots_and_neither_order_nor_places(stale_slots):
    maker = Maker().open(12)
    maker.run(3)
    maker.hear()
    maker.cipher.accept_clear_until(1.0)
    for _ in range(stale_slots):
        maker.slot()
    maker.run()
    assert maker.speech() == [b"%d" % number for number in range(1, 13)]
    assert maker.gaps() == {1}
    maker.balanced()


def test_a_key_that_changes_while_packets_are_made_seals_those_that_wait_anew_first():
    maker = Maker().open(2)
    maker.frames = 12
    maker.on_making = lambda number: number == 4 and maker.cipher.accept_clear_until(1.0)
    maker.run()
    assert maker.speech() == [b"%d" % number for number in range(1, 15)][: maker.made]
    assert maker.gaps() == {1}
    maker.balanced()


@pytest.mark.parametrize("interruption", ["suspend", "close", "retract"])
@pytest.mark.parametrize("stale", [False, True])
def test_what_is_being_sent_while_all_is_taken_back_has_one_fate(interruption, stale):
    maker = Maker().open(8)
    maker.run(3)
    maker.hear()

    def interrupt():
        if interruption == "retract":
            maker.frames = 0
            maker.transmission.retract(armed=True)
        else:
            getattr(maker.transmission, interruption)()
        if stale:
            maker.broken = True

    maker.during = interrupt
    maker.slot()
    maker.broken = False
    maker.hear()
    maker.open(maker.frames)
    maker.run()
    maker.balanced()
    said = [int(frame) for frame in maker.speech()]
    assert said == sorted(set(said))


# --- the end of the way -----------------------------------------------------------------------------------------------


def test_the_silence_that_is_owed_leaves_at_once_when_the_way_is_closed_and_no_speech_does():
    maker = Maker().open(9)
    maker.run(3)
    maker.transmission.close()
    said = maker.speech()
    assert maker.wire == [*said, *[SILENCE_FRAME] * 5]
    assert len(said) == 3
    maker.transmission.close()
    assert maker.wire == [*said, *[SILENCE_FRAME] * 5]
    maker.hear()
    maker.balanced()


@pytest.mark.parametrize("after_slots", [0, 20])
def test_a_way_on_which_nothing_was_heard_or_whose_silence_has_left_closes_without_any(after_slots):
    maker = Maker().open(2 if after_slots else 0)
    maker.run(after_slots)
    sent = len(maker.wire)
    maker.transmission.close()
    assert len(maker.wire) == sent
    maker.hear()
    maker.balanced()


@pytest.mark.parametrize("hindrance", ["closed gate", "lost link", "suspended"])
def test_no_silence_leaves_where_nothing_may_or_can(hindrance):
    maker = Maker().open(9)
    maker.run(3)
    sent = len(maker.wire)
    match hindrance:
        case "closed gate":
            maker.cipher.set_gate(Gate.CLOSED)
        case "lost link":
            maker.broken = True
        case "suspended":
            maker.transmission.suspend()
    maker.transmission.close()
    assert len(maker.wire) == sent
    maker.hear()
    maker.balanced()
