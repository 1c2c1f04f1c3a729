import numpy as np
import pytest

from clankvox.ids import Ssrc
from clankvox.ledger import Fate, StreamLedger
from clankvox.media.capture_board import CaptureConfig
from clankvox.media.receive_ports import Origin, Timing
from clankvox.media.signal_meter import SignalMeter
from clankvox.media.speech_outlet import SpeechOutlet
from tests.support.hearing import ALICE, Heard


class Outlet:
    def __init__(self, **asked):
        self.heard, self.ledger = Heard(), StreamLedger(Ssrc(7))
        self.outlet = SpeechOutlet(ALICE, self.heard, self.heard, SignalMeter())
        self.config = CaptureConfig(3, None, 24_000, 300, **asked)
        self.at = 0
        self.outlet.begin(self.config)

    def take(self, level, fate=Fate.DECODED, origin=Origin.RECEIVED):
        pcm = (np.random.default_rng(1).standard_normal(480) * level).astype(np.int16)
        said = pcm.copy()
        self.ledger.arrived += fate is not None
        self.outlet.take(pcm, Timing(self.at, 960, self.at + 1, origin), self.ledger, fate, self.config)
        assert not pcm.any(), "the decoder's copy is wiped"
        self.at += 960
        return said

    def fates(self):
        self.ledger.check(self.outlet.pending(self.ledger))
        return {fate: n for fate, n in self.ledger.fates.items() if n}


def test_a_capture_that_asked_for_nothing_gets_every_piece_at_once_and_no_word_more():
    it = Outlet()
    it.take(0)
    it.take(2_000)
    assert [fact[0] for fact in it.heard.facts] == ["speech_started", "pcm", "pcm"]
    assert it.heard.timings == [None, None]
    assert it.outlet.finish() == (True, None)
    assert it.fates() == {Fate.DECODED: 2}


def test_a_timeline_says_of_each_piece_when_and_what_it_is():
    it = Outlet(timeline=True)
    rms = np.sqrt(np.mean(it.take(2_000).astype(float) ** 2))
    it.take(2_000, fate=None, origin=Origin.CONCEALED)
    assert it.heard.timings == [Timing(0, 960, 1, Origin.RECEIVED), Timing(960, 960, 961, Origin.CONCEALED)]
    opened, segment = it.outlet.finish()
    assert opened
    assert (segment.start, segment.end, segment.speech_ms) == (0, 1_920, 40)
    assert segment.mean_level_dbfs == pytest.approx(20 * np.log10(rms / 32_768), abs=0.01)
    assert segment.peak == max(peak for peak, *_ in it.heard.stats)


def test_nothing_is_said_of_an_utterance_with_too_little_speech():
    it = Outlet(min_speech_ms=100)
    for level in (10, 10, 2_000, 2_000, 10):
        it.take(level)
    assert it.outlet.pending(it.ledger) > 0
    assert it.outlet.finish() == (False, None)
    assert it.heard.facts == []
    assert it.fates() == {Fate.UNSPOKEN: 5}


def test_an_utterance_begins_with_its_pre_roll_once_there_is_enough_speech():
    it = Outlet(pre_roll_ms=40, min_speech_ms=60, timeline=True)
    for level in (10, 10, 10, 10, 2_000, 2_000):
        it.take(level)
    assert it.heard.facts == []
    it.take(2_000)
    assert [timing.media_time // 960 for timing in it.heard.timings] == [2, 3, 4, 5, 6]
    it.take(10)
    opened, segment = it.outlet.finish()
    assert opened
    assert (segment.start // 960, segment.end // 960, segment.speech_ms) == (2, 8, 60)
    assert it.fates() == {Fate.DECODED: 6, Fate.UNSPOKEN: 2}


@pytest.mark.parametrize("asked", [{}, {"min_speech_ms": 20}])
def test_a_parent_that_is_too_slow_is_entered_as_the_boundary_whenever_the_piece_came(asked):
    it = Outlet(**asked)
    it.heard.accepting = False
    it.take(2_000)
    it.take(2_000)
    assert it.fates() == {Fate.BOUNDARY_DROPPED: 2}


def test_what_was_held_when_the_connection_went_is_discarded():
    it = Outlet(min_speech_ms=200)
    it.take(2_000)
    it.outlet.discard_held()
    assert it.fates() == {Fate.DISCARDED: 1}
    assert it.outlet.finish()[0] is False
