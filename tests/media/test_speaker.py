import itertools
import random

import numpy as np
import pytest

from clankvox.ids import CaptureId, Ssrc
from clankvox.ledger import Fate, ReceiveTotals, StreamLedger
from clankvox.media.alarm import Alarm
from clankvox.media.capture_board import CaptureConfig
from clankvox.media.receive_ports import Origin
from clankvox.media.reorder import Frame, OrderedFrame, ReorderWindow
from clankvox.media.signal_meter import SignalMeter
from clankvox.media.speaker import HELD_S, Line, Speaker, SpeakerTools
from tests.support.hearing import ALICE, BOB, ME, Ears, Heard, Talker, encoder, opus_packets, plain_decode, room_of

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


def test_the_alarm_rings_when_what_nobody_captures_has_been_kept_for_long_enough():
    one = One()
    one.say(2, 0.0)
    late = HELD_S - 0.1
    one.alarm.restart(late)
    one.speaker.poll(late)
    assert one.alarm.due == one.alarm.end_of(HELD_S, 0.0) < late + 0.2
    one.speaker.poll(one.alarm.due)
    assert one.fates() == {Fate.UNCAPTURED: 1}


def test_the_alarm_rings_when_speaking_ends():
    one = One()
    one.alarm.restart(0.0)
    one.say(1, 0.0)
    assert one.alarm.due == pytest.approx(0.1)


# --- timeline, gates and statistics ---


def impaired(packets, seed, loss=0.05, jitter_s=0.03, reorder=0.02, duplicate=0.01):
    """(arrival offset, datagram) of packets sent every 20 ms over a bad network, in the order of arrival."""
    dice, arrivals = random.Random(seed), []
    for number, packet in enumerate(packets):
        if dice.random() < loss and 0 < number < len(packets) - 1:
            continue
        late = dice.random() * jitter_s + (0.04 if dice.random() < reorder else 0.0)
        arrivals.append((number * 0.02 + late, packet))
        if dice.random() < duplicate:
            arrivals.append((number * 0.02 + late + 0.01, packet))
    return sorted(arrivals, key=lambda each: each[0])


@pytest.mark.parametrize("seed", range(4))
def test_on_a_bad_network_a_talkspurt_takes_as_long_as_it_took_and_the_ledger_balances(seed):
    room = room_of(ME, ALICE)
    ears, alice = Ears(room), Talker(7, room.members[ALICE])
    ears.arm(ALICE, silence_ms=500, timeline=True)
    for spurt in range(3):
        start = ears.now + 2.0
        ears.wait(2.0)
        frames = opus_packets(3.0, seed=seed, fec_percent=10)
        before = len(ears.heard.timings)
        for offset, datagram in impaired(alice.packets(frames), f"{seed}/{spurt}"):
            ears.wait(max(start + offset - ears.now, 0.0))
            ears.feed(datagram)
        ears.wait(0.6)
        timings = ears.heard.timings[before:]
        captured = sum(total for _, _, total, _ in ears.heard.stats[before:]) / 24_000
        assert captured == pytest.approx(len(frames) * 0.02, abs=0.02)
        span = timings[-1].media_time + timings[-1].duration_ticks - timings[0].media_time
        assert span / 48_000 == pytest.approx(captured, abs=0.045)
        media_times = [timing.media_time for timing in timings]
        assert media_times == sorted(media_times)
        ears.board.arm(ALICE, ears.board.armed(ALICE)._replace(arming=2 + spurt))
    assert {timing.origin for timing in ears.heard.timings} >= {Origin.RECEIVED, Origin.RECOVERED}
    fates = ears.fates(7)
    assert fates.get("late", 0) + fates["duplicate"] > 0
    assert len(ears.heard.segments) == 3


def test_what_was_missing_is_placed_right_before_the_packet_that_showed_it():
    ears, talker = Ears(clear=True), Talker(7)
    ears.pipeline.hint(Ssrc(7), ALICE)
    ears.arm(ALICE, timeline=True)
    packets = talker.packets(opus_packets(0.4))
    ears.hear(packets[:8])
    ears.now += 0.06
    ears.hear(packets[11:])
    ears.wait(0.5)
    steps = [b.media_time - a.media_time for a, b in itertools.pairwise(ears.heard.timings)]
    gap = [timing for timing in ears.heard.timings if timing.origin is not Origin.RECEIVED]
    assert sum(timing.duration_ticks for timing in gap) == 3 * 960
    assert all(timing.arrival == ears.heard.timings[8 + len(gap)].arrival for timing in gap)
    assert all(abs(step - timing.duration_ticks) <= 48 for step, timing in zip(steps, ears.heard.timings, strict=False))


def test_two_speakers_who_talk_at_once_stand_beside_each_other_on_the_timeline():
    ears = Ears(clear=True)
    both = [(ALICE, Talker(7)), (BOB, Talker(8, timestamp=12_345))]
    for user, talker in both:
        ears.pipeline.hint(Ssrc(talker.ssrc), user)
        ears.arm(user, silence_ms=600, timeline=True)
    for _ in range(3):
        frames = opus_packets(0.5)
        for frame in frames:
            for _, talker in both:
                ears.feed(talker.packet(frame))
            ears.now += 0.02
        both[1][1].timestamp += 777_777  # and one whose RTP clock jumps over pauses
        ears.wait(0.3)
    times = [[t.media_time for t in ears.heard.timings[offset::2]] for offset in (0, 1)]
    assert len(times[0]) == 75
    assert max(abs(a - b) for a, b in zip(*times, strict=True)) < 48


def test_a_capture_with_a_minimum_of_speech_gets_no_utterance_without_it():
    ears, talker = Ears(clear=True), Talker(7)
    ears.pipeline.hint(Ssrc(7), ALICE)
    ears.arm(ALICE, min_speech_ms=200, pre_roll_ms=100)
    hush = encoder()
    quiet = [hush.encode(bytes(3_840), 960) for _ in range(30)]
    ears.hear(talker.packets(quiet))
    ears.wait(0.5)
    assert ears.heard.of("pcm", "speech_started", "speech_ended") == []
    assert ears.fates(7) == {"unspoken": 30}
    ears.hear(talker.packets(opus_packets(1.5)))
    ears.wait(0.5)
    assert [fact[0] for fact in ears.heard.of("speech_started", "speech_ended")] == ["speech_started", "speech_ended"]
    (segment,) = ears.heard.segments
    assert segment.speech_ms >= 200
    assert 1_000 <= len(ears.heard.pcm(ALICE)) / 24 <= 1_500
    ears.check()


def test_withdrawing_a_capture_says_what_was_delivered_of_its_utterance():
    ears, talker = Ears(clear=True), Talker(7)
    ears.pipeline.hint(Ssrc(7), ALICE)
    ears.arm(ALICE, timeline=True)
    ears.hear(talker.packets(opus_packets(0.5)))
    assert ears.board.close(ALICE, 9) is None
    segment = ears.board.withdraw(ALICE)
    assert segment.end - segment.start == pytest.approx(24_000, abs=48)
    assert ears.board.withdraw(ALICE) is None
    ears.arm(ALICE, arming=2)
    ears.hear(talker.packets(opus_packets(0.2)))
    assert ears.board.withdraw(ALICE) is None, "it asked for nothing"


def test_streams_are_news_while_packets_come_and_once_more_when_they_are_over():
    ears, talker = Ears(clear=True), Talker(7)
    ears.pipeline.hint(Ssrc(7), ALICE)
    assert ears.pipeline.take_news() == []
    ears.hear(talker.packets(opus_packets(0.2)))
    (live,) = ears.pipeline.take_news()
    assert (live.user_id, live.ledger.arrived, live.pending, live.ended) == (ALICE, 10, 10, False)
    assert ears.pipeline.take_news() == []
    ears.pipeline.forget_user(ALICE)
    (left,) = ears.pipeline.take_news()
    assert (left.user_id, left.ledger.fates[Fate.DISCARDED], left.pending, left.ended) == (ALICE, 10, 0, True)
    ears.pipeline.hint(Ssrc(7), BOB)
    ears.hear(talker.packets(opus_packets(0.1)))
    ears.pipeline.detach()
    (over,) = ears.pipeline.take_news()
    assert (over.user_id, over.ledger.arrived, over.ended) == (BOB, 15, True)
    over.ledger.check(over.pending)
    assert ears.pipeline.all_streams().arrived == 15


def test_a_stream_whose_user_left_is_over_once_and_not_again_with_the_connection():
    ears, talker = Ears(clear=True), Talker(7)
    ears.pipeline.hint(Ssrc(7), ALICE)
    ears.hear(talker.packets(opus_packets(0.2)))
    ears.pipeline.forget_user(ALICE)
    ears.pipeline.detach()
    assert [(news.user_id, news.ended) for news in ears.pipeline.take_news()] == [(ALICE, True)]
