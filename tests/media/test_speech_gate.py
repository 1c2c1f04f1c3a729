import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.ids import Ssrc
from clankvox.ledger import Fate, StreamLedger
from clankvox.media.receive_ports import Origin, Timing
from clankvox.media.signal_meter import Signal
from clankvox.media.speech_gate import HeldSound, SpeechGate
from clankvox.media.voice_activity import Activity

TICKS = 960


class Feed:
    """20 ms pieces into a gate, numbered from 0."""

    def __init__(self, pre_roll_ms, min_speech_ms):
        self.gate, self.ledger = SpeechGate(pre_roll_ms, min_speech_ms), StreamLedger(Ssrc(7))
        self.sounds = []

    def hold(self, speech):
        number = len(self.sounds)
        timing = Timing(number * TICKS, TICKS, number * TICKS, Origin.RECEIVED)
        activity = Activity(TICKS if speech else 0, 1.0)
        self.ledger.arrived += 1
        self.sounds.append(HeldSound(bytearray(b"pcm"), Signal(1, 1, 1), timing, activity, self.ledger, Fate.DECODED))
        return [sound.timing.media_time // TICKS for sound in self.gate.hold(self.sounds[-1])]

    def say(self, pattern):
        """`s` is speech; returns what the gate gives out at last."""
        for mark in pattern[:-1]:
            assert self.hold(mark == "s") == []
        return self.hold(pattern[-1] == "s")

    def check(self):
        self.ledger.check(self.gate.pending(self.ledger))


@pytest.mark.parametrize(
    ("pre_roll_ms", "min_speech_ms", "pattern", "given"),
    [
        (0, 60, "...sss", [3, 4, 5]),
        (40, 60, "...sss", [1, 2, 3, 4, 5]),
        (1_000, 60, "...sss", [0, 1, 2, 3, 4, 5]),
        (40, 0, "....s", [2, 3, 4]),
        (0, 60, "s.s..s", [0, 1, 2, 3, 4, 5]),
        (0, 40, "s" + "." * 51 + "ss", [52, 53]),
    ],
)
def test_it_opens_with_enough_speech_and_gives_what_was_before(pre_roll_ms, min_speech_ms, pattern, given):
    feed = Feed(pre_roll_ms, min_speech_ms)
    assert feed.say(pattern) == given
    dropped = {number for number, sound in enumerate(feed.sounds) if not any(sound.pcm)}
    assert dropped == set(range(len(pattern))) - set(given)
    assert feed.ledger.fates[Fate.UNSPOKEN] == len(dropped)


def test_what_never_opens_is_wiped_and_entered():
    feed = Feed(200, 60)
    feed.say("..ss...")
    feed.check()
    assert feed.gate.pending(feed.ledger) == 7
    feed.gate.discard(Fate.UNSPOKEN)
    assert feed.ledger.fates[Fate.UNSPOKEN] == 7
    assert not any(any(sound.pcm) for sound in feed.sounds)
    feed.check()


@given(st.integers(0, 2_000), st.integers(1, 5_000), st.lists(st.integers(0, 30), max_size=300))
def test_what_it_holds_is_bounded_and_accounted_for(pre_roll_ms, min_speech_ms, gaps):
    feed = Feed(pre_roll_ms, min_speech_ms)
    for gap in gaps:
        for speech in (*[False] * gap, True):
            if feed.hold(speech):
                assert feed.gate.pending(feed.ledger) == 0
                return
            assert feed.gate.pending(feed.ledger) * 20 <= pre_roll_ms + 2 * min_speech_ms + 2_000 + 40
            feed.check()
