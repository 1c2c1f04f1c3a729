import numpy as np
import pytest

from clankvox.ids import CaptureId, Ssrc
from clankvox.ledger import Fate, ReceiveTotals, StreamLedger
from clankvox.media.alarm import Alarm
from clankvox.media.capture_board import CaptureConfig
from clankvox.media.reorder import Frame, OrderedFrame, ReorderWindow
from clankvox.media.signal_meter import SignalMeter
from clankvox.media.speaker import Line, Speaker, SpeakerTools
from tests.support.hearing import ALICE, Heard, opus_packets, plain_decode

PACKETS = opus_packets(1.0)


def config(arming=1, rate_hz=24_000, silence_ms=200, capture_id=None):
    return CaptureConfig(arming, CaptureId(capture_id) if capture_id else None, rate_hz, silence_ms)


class One:
    def __init__(self):
        self.heard, self.totals, self.alarm = Heard(), ReceiveTotals(), Alarm()
        self.speaker = Speaker(ALICE, SpeakerTools(self.heard, self.heard, self.totals, SignalMeter(), self.alarm))
        self.line = Line(StreamLedger(Ssrc(7)), ReorderWindow())
        self.sent = 0

    def say(self, count, at, missing=0):
        for _ in range(count):
            frame = Frame(PACKETS[self.sent], self.sent, self.sent * 960, at)
            ordered = OrderedFrame(frame, missing, missing * 960, False, self.sent == 0)
            self.line.ledger.arrived += 1
            self.speaker.heard(self.line, frame)
            self.speaker.take(self.line, ordered)
            self.sent += 1
            at = round(at + 0.02, 6)

    def fates(self):
        self.line.ledger.check(self.speaker.pending(self.line.ledger))
        return {fate: n for fate, n in self.line.ledger.fates.items() if n}


def test_a_new_rate_in_the_middle_takes_effect_at_the_next_frame():
    one = One()
    one.speaker.configure(config(), 0.0)
    one.say(5, 0.0)
    one.speaker.configure(config(rate_hz=48_000), 0.1)
    one.say(5, 0.1)
    assert [total for _, _, total, _ in one.heard.stats] == [480] * 5 + [960] * 5
    assert [ms for _, _, _, ms in one.heard.stats] == [20.0] * 10
    assert one.heard.of("speech_started") == [("speech_started", ALICE, 1)]


def test_replacing_a_capture_in_the_middle_goes_on_in_the_new_one_without_a_click():
    one = One()
    one.speaker.configure(config(1, capture_id="a"), 0.0)
    one.say(5, 0.0)
    one.speaker.configure(config(2, capture_id="b"), 0.1)
    one.say(5, 0.1)
    got = np.concatenate([one.heard.pcm(ALICE, "a"), one.heard.pcm(ALICE, "b")])
    assert np.array_equal(got, plain_decode(PACKETS[:10]))


def test_frames_that_were_never_decoded_make_the_decoder_begin_anew():
    one = One()
    one.speaker.configure(config(1), 0.0)
    one.say(5, 0.0)
    one.speaker.poll(1.0)
    one.say(5, 1.0)
    one.speaker.poll(4.0)
    one.speaker.configure(config(2), 4.0)
    one.say(5, 4.0)
    assert np.array_equal(one.heard.pcm(ALICE)[-2_400:], plain_decode(PACKETS[10:15]))
    assert one.fates() == {Fate.DECODED: 10, Fate.UNCAPTURED: 5}


def test_speech_in_one_arming_never_spans_a_silence_longer_than_asked_for():
    one = One()
    one.speaker.configure(config(silence_ms=200), 0.0)
    one.say(2, 0.0)
    one.say(2, 0.5)  # no poll in between
    assert one.heard.of("speech_ended") == [("speech_ended", ALICE, 1)]
    assert len(one.heard.pcm(ALICE)) == 960
    assert one.speaker.pending(one.line.ledger) == 2


def test_what_waits_in_the_window_is_played_before_the_end():
    one = One()
    one.speaker.configure(config(silence_ms=20), 0.0)
    one.say(1, 0.0)
    one.line.ledger.arrived += 1
    one.line.window.push(Frame(PACKETS[0], 0, 0, 0.0))
    one.line.window.drain(0.0)
    one.line.window.push(Frame(PACKETS[2], 2, 1_920, 0.0))
    one.speaker.poll(0.02)
    assert [fact[0] for fact in one.heard.facts][-3:] == ["pcm", "pcm", "speech_ended"]


def test_missing_packets_before_a_dropped_frame_are_lost():
    one = One()
    one.say(3, 0.0)
    one.say(1, 0.1, missing=2)
    one.speaker.poll(9.0)
    assert one.fates() == {Fate.UNCAPTURED: 4, Fate.LOST: 2}


def test_dropping_a_line_enters_what_it_kept():
    one = One()
    one.say(3, 0.0)
    one.speaker.drop_line(one.line.ledger)
    assert one.fates() == {Fate.DISCARDED: 3}


@pytest.mark.parametrize("held", [False, True])
def test_it_is_idle_when_there_is_nothing_to_remember(held):
    one = One()
    assert one.speaker.idle
    one.say(1, 0.0)
    assert not one.speaker.idle
    one.speaker.stop_speaking()
    one.speaker.drop_lines()
    assert one.speaker.idle


def test_the_alarm_rings_when_speaking_ends():
    one = One()
    one.alarm.restart(0.0)
    one.say(1, 0.0)
    assert one.alarm.due == pytest.approx(0.1)
