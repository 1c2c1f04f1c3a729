from clankvox.ids import CaptureId, Ssrc
from clankvox.ledger import ReceiveTotals, StreamLedger
from clankvox.media.alarm import Alarm
from clankvox.media.capture_board import CaptureBoard, CaptureConfig
from clankvox.media.reorder import Frame, OrderedFrame, ReorderWindow
from clankvox.media.signal_meter import SignalMeter
from clankvox.media.speaker import Line, SpeakerTools
from clankvox.media.speaker_roster import SpeakerRoster
from tests.support.hearing import ALICE, BOB, Heard, opus_packets

PACKET = opus_packets(0.1)[2]


def made():
    board, heard = CaptureBoard(), Heard()
    return SpeakerRoster(board, SpeakerTools(heard, heard, ReceiveTotals(), SignalMeter(), Alarm())), board, heard


def say(roster, user, at=0.0):
    line = Line(StreamLedger(Ssrc(user)), ReorderWindow())
    frame = Frame(PACKET, 0, 0, at)
    roster.speaker(user).heard(line, frame)
    roster.speaker(user).take(line, OrderedFrame(frame, 0, 0, False, True))


def test_a_speaker_first_heard_is_captured_as_the_board_says():
    roster, board, heard = made()
    board.arm(ALICE, CaptureConfig(1, CaptureId("k"), 24_000, 200))
    say(roster, ALICE)
    assert len(heard.pcm(ALICE, "k")) == 480


def test_a_capture_armed_later_is_found_by_configure():
    roster, board, heard = made()
    say(roster, ALICE)
    board.arm(ALICE, CaptureConfig(1, None, 24_000, 200))
    roster.configure(0.5)
    assert len(heard.pcm(ALICE)) == 480


def test_who_left_is_absent_for_a_second_or_until_expected_again():
    roster, _, _ = made()
    roster.poll(10.0)
    roster.forget(ALICE)
    roster.forget(BOB)
    roster.returned(BOB)
    assert set(roster.absent) == {ALICE}
    roster.poll(11.0)
    assert not roster.absent


def test_who_left_with_nothing_under_way_is_forgotten_at_once():
    roster, _, _ = made()
    say(roster, BOB)
    roster.forget(BOB)
    assert [*roster] == []


def test_suspend_ends_speaking_and_forgets_who_has_nothing_under_way():
    roster, board, heard = made()
    board.arm(ALICE, CaptureConfig(1, None, 24_000, 200))
    say(roster, ALICE)
    say(roster, BOB)
    roster.suspend()
    assert {fact[1] for fact in heard.of("speaking_ended")} == {ALICE, BOB}
    assert [speaker.user_id for speaker in roster] == [ALICE]


def test_the_utterance_of_who_left_is_told_by_the_capture_that_ends_it():
    roster, board, heard = made()
    board.closes_with(roster.close)
    board.arm(ALICE, CaptureConfig(1, None, 24_000, 200, timeline=True))
    say(roster, ALICE)
    roster.forget(ALICE)
    segment = board.withdraw(ALICE)
    assert segment.end - segment.start == 960
    assert heard.of("speaking_ended") == [], "that is the capture's to say"
    roster.poll(0.1)
    assert [*roster] == []


def test_an_utterance_of_who_left_that_no_capture_ends_is_over_when_it_is_silent():
    roster, board, _ = made()
    board.arm(ALICE, CaptureConfig(1, None, 24_000, 200))
    say(roster, ALICE)
    roster.forget(ALICE)
    roster.poll(0.3)
    roster.poll(0.4)
    assert [*roster] == []
