"""What is shown when: sources, pauses, stalls and requests on a clock that the test moves."""

import functools
import gc
import math
import weakref
from fractions import Fraction

import av
import numpy as np
import pytest

from clankvox.errors import CodecError
from clankvox.media.frame_cipher import Gate
from clankvox.media.picture_source import SourceFailed, TimedPicture, TimedSound
from clankvox.media.publish_line import REPEAT_S, SOUND_AHEAD_S, STALL_S, PublishLine
from clankvox.media.stream_audio import StreamAudio
from clankvox.media.video_target import VideoTarget
from clankvox.wire.seq import seq_delta, timestamp_delta
from tests.support.coded_video import av_frame, index_of
from tests.support.published import VideoWire, decoded, luma, psnr
from tests.support.scripted_source import ScriptedSource, pictures

TARGET = VideoTarget(320, 192, 30, 2_000_000, 60)
TICKS = 90_000


class Stage:
    """A line, its wire, and time."""

    def __init__(self, source, *, audio=None, gate=Gate.CLEAR, target=TARGET, attach=True):
        self.source = source
        self.wire = VideoWire(gate=gate)
        self.audio = audio
        self.line = PublishLine(source, target, audio)
        self.left = 0
        self.ended_at = None
        self.times = []
        if attach:
            self.attach()

    def attach(self):
        def on_left():
            self.left += 1

        self.line.attach(self.wire.sender, self.wire.sender.lease(), on_left)

    @property
    def now(self):
        return self.wire.clock.now()

    def run(self, seconds, *, leave=True):
        """Step whenever it is due; every picture leaves at once."""
        until = self.now + seconds
        while self.ended_at is None:
            step = self.line.step(self.now)
            if step.ended:
                self.ended_at = self.now
                break
            if self.wire.lane.groups and leave:
                before = len(self.wire.datagrams)
                self.wire.lane.leave()
                self.times += [self.now] if len(self.wire.datagrams) > before else []
            if step.next_at > until:
                break
            self.wire.clock.move_to(step.next_at)
        self.wire.clock.move_to(until)
        return self

    def shown(self):
        """Numbers of the pictures that a viewer has decoded."""
        return [index_of(luma(frame)) for frame in decoded([unit for _, unit in self.wire.sealed_units()])]

    def stamps(self):
        stamps = [stamp for stamp, _ in self.wire.sealed_units()]
        return [timestamp_delta(stamp, stamps[0]) / TICKS for stamp in stamps]

    def keyframes(self):
        return [number for number, (_, unit) in enumerate(self.wire.sealed_units()) if b"\0\0\0\1\x67" in unit]


# --- a film ---


def test_a_film_is_shown_picture_by_picture_in_its_own_time():
    stage = Stage(ScriptedSource(pictures(40, rate=25))).run(3.0)
    assert stage.shown() == list(range(40))
    assert stage.stamps() == pytest.approx([index / 25 for index in range(40)], abs=2 / TICKS)
    assert np.diff(stage.times) == pytest.approx([1 / 25] * 39, abs=1e-6)
    assert stage.left == 40


def test_pictures_look_like_their_source():
    sources = pictures(10)
    stage = Stage(ScriptedSource(list(sources))).run(1.0)
    frames = decoded([unit for _, unit in stage.wire.sealed_units()])
    assert min(psnr(luma(item.picture), luma(frame)) for item, frame in zip(sources, frames, strict=True)) >= 30


@pytest.mark.parametrize(("rate", "shown"), [(60, 30), (50, 30), (30, 30), (29.97, 30), (24, 24), (120, 30)])
def test_a_film_faster_than_the_target_is_thinned_out_and_a_slower_one_is_left_alone(rate, shown):
    stage = Stage(ScriptedSource(pictures(math.ceil(rate), rate=rate))).run(2.0)
    assert len(stage.shown()) == pytest.approx(shown, abs=1)
    assert min(np.diff(stage.stamps())) > 1 / 61


def test_times_that_are_rounded_to_milliseconds_lose_no_picture():
    items = [TimedPicture(av_frame(index), round(index / 30, 3)) for index in range(60)]
    assert len(Stage(ScriptedSource(items)).run(3.0).shown()) == 60


def test_a_film_ends_when_its_last_picture_has_been_seen_and_has_left():
    stage = Stage(ScriptedSource(pictures(3)))
    began = stage.now
    stage.wire.lane.backlog = 0.01
    stage.run(1.0)
    assert stage.ended_at is None
    stage.wire.lane.backlog = 0.0
    stage.run(0.1)
    assert stage.ended_at is not None
    assert stage.ended_at - began >= 0.1


def test_an_empty_film_ends_at_once():
    assert Stage(ScriptedSource()).run(1.0).ended_at is not None


def test_a_film_of_another_size_in_mid_stream_goes_on_in_its_frame():
    items = [
        *pictures(5),
        *pictures(5, start_s=5 / 30, size=(640, 384)),
        *pictures(5, start_s=10 / 30, size=(320, 320)),
    ]
    frames = decoded([unit for _, unit in Stage(ScriptedSource(items)).run(2.0).wire.sealed_units()])
    assert {(frame.width, frame.height) for frame in frames} == {(320, 192)}
    assert len(frames) == 15


def test_a_new_target_takes_effect_with_the_next_picture_which_is_an_idr():
    stage = Stage(ScriptedSource(pictures(20)))
    stage.run(0.4)
    stage.line.retarget(TARGET._replace(width=640, height=384))
    stage.run(1.0)
    frames = decoded([unit for _, unit in stage.wire.sealed_units()])
    widths = [frame.width for frame in frames]
    assert len(frames) == 20
    assert sorted(set(widths)) == [320, 640]
    assert widths.index(640) in stage.keyframes()


def test_no_more_than_a_quarter_second_is_read_ahead():
    source = ScriptedSource(pictures(300))
    stage = Stage(source)
    for _ in range(200):
        stage.line.step(stage.now)
    assert source.pulled <= 0.4 * 30


def test_pictures_that_wait_for_their_sound_are_bounded(monkeypatch):
    monkeypatch.setattr("clankvox.media.publish_line._READ_AHEAD_PIXELS", 20 * 320 * 192)
    source = ScriptedSource(pictures(300), has_sound=True)
    stage = Stage(source, audio=StreamAudio())
    for _ in range(200):
        stage.line.step(stage.now)
    assert source.pulled == 21


@pytest.mark.parametrize(("size", "late_s"), [((1_920, 1_080), 1.0), ((3_840, 2_160), 0.6)])
def test_sound_that_a_container_brings_late_is_heard_whole_however_large_its_pictures_are(size, late_s):
    block, picture = np.full((960, 2), 1_000, np.int16), av.VideoFrame(*size, "yuv420p")
    items = [(n / 30, TimedPicture(picture, n / 30)) for n in range(90)]
    items += [(n / 50 + late_s, TimedSound(block, n / 50)) for n in range(150)]
    items.sort(key=lambda item: item[0])
    audio = StreamAudio()
    stage = Stage(ScriptedSource([item for _, item in items], has_sound=True), audio=audio)
    heard = 0
    while stage.ended_at is None:
        stage.run(0.02)
        heard += audio.take(stage.now) is not None
        assert sum(each.picture.width * each.picture.height for each in stage.line._ready) * 1.5 < 67e6 + 12.5e6
    assert (heard, audio.dropped_samples) == (150, 0)
    assert stage.line.counters.published == 90


def test_a_picture_that_had_to_wait_looks_the_same():
    large = TimedPicture(av_frame(3, 640, 480).reformat(format="yuv420p", src_colorspace="itu601"), 0.0, Fraction(4, 3))
    line = PublishLine(ScriptedSource(), TARGET)
    shown = line._letterbox.fit(large.picture, large.pixel_aspect)
    waited = line._shrunk(large)
    assert (waited.picture.width, waited.picture.height, waited.pixel_aspect) == (TARGET.width, TARGET.height, 1)
    assert np.array_equal(luma(line._letterbox.fit(waited.picture, waited.pixel_aspect)), luma(shown))


def test_sound_is_heard_whole_while_a_picture_stands_for_a_minute():
    block = np.full((960, 2), 1_000, np.int16)
    first, second = (TimedPicture(av_frame(number, 320, 192), 60.0 * number) for number in range(2))
    source = ScriptedSource([first, *(TimedSound(block, n * 0.02) for n in range(3_000)), second], has_sound=True)
    audio = StreamAudio()
    stage = Stage(source, audio=audio)
    heard, read = 0, []
    while stage.ended_at is None:
        stage.run(0.02)
        read.append(source.pulled * 0.02 - (stage.now - 900))
        heard += audio.take(stage.now) is not None
    assert (heard, audio.dropped_samples) == (3_000, 0)
    assert max(read) < SOUND_AHEAD_S + 0.2
    assert stage.shown()[-1] == 1


def test_a_failure_of_the_source_is_passed_on():
    stage = Stage(ScriptedSource([*pictures(2), SourceFailed("broken")]))
    with pytest.raises(SourceFailed, match="broken"):
        stage.run(1.0)


def test_pictures_that_cannot_be_encoded_are_skipped_and_many_in_a_row_end_the_source(monkeypatch):
    stage = Stage(ScriptedSource(pictures(60)))
    real, failing = type(stage.line._letterbox).fit, {3, 4, 5}
    calls = iter(range(1_000))

    def fit(self, *arguments):
        if next(calls) in failing:
            raise CodecError("no")
        return real(self, *arguments)

    monkeypatch.setattr("clankvox.media.letterbox.Letterbox.fit", fit)
    stage.run(0.7)
    assert stage.line.counters.refused == 3
    failing.update(range(1_000))
    with pytest.raises(SourceFailed):
        stage.run(2.0)


# --- requests ---


def test_an_idr_that_is_asked_for_is_the_next_picture():
    stage = Stage(ScriptedSource(pictures(50)))
    stage.run(0.8)
    before = len(stage.wire.sealed_units())
    stage.line.force_idr()
    stage.run(1.0)
    assert stage.keyframes() == [0, before]


def test_many_requests_make_few_idrs():
    stage = Stage(ScriptedSource(pictures(100)))
    for _ in range(40):
        stage.line.force_idr()
        stage.run(0.05)
    assert 5 <= len(stage.keyframes()) <= 8


def test_a_slow_film_has_an_idr_every_interval_of_time_nonetheless():
    stage = Stage(ScriptedSource(pictures(50, rate=10))).run(6.0)
    assert np.diff([stage.stamps()[number] for number in stage.keyframes()]) == pytest.approx([2.0, 2.0], abs=0.01)


# --- pictures that stand, and live pictures ---


def test_a_picture_that_stands_is_shown_again_twice_a_second():
    source = ScriptedSource(pictures(1), live=True)
    stage = Stage(source).run(5.0)
    assert len(stage.shown()) == pytest.approx(5.0 / REPEAT_S, abs=1)
    assert set(stage.shown()) == {0}
    assert np.diff(stage.stamps()) == pytest.approx([REPEAT_S] * (len(stage.shown()) - 1), abs=1e-3)


def test_a_request_for_a_picture_that_stands_is_answered_without_waiting():
    stage = Stage(ScriptedSource(pictures(1), live=True)).run(2.4)
    asked_at = stage.now
    stage.line.force_idr()
    stage.run(1.0)
    answered = next(at for number, at in enumerate(stage.times) if at >= asked_at and number in stage.keyframes())
    assert answered - asked_at <= 0.05


def test_live_pictures_are_shown_when_they_come_with_the_steps_of_their_captures():
    source = ScriptedSource(live=True)
    stage = Stage(source)
    for index in range(6):
        source.items.append(TimedPicture(av_frame(index), index * 0.1))
        stage.run(0.1)
    assert stage.shown() == list(range(6))
    assert np.diff(stage.stamps()) == pytest.approx([0.1] * 5, abs=1e-4)


def test_live_pictures_that_come_at_once_are_all_shown_at_the_targets_rate():
    source = ScriptedSource(pictures(4, rate=1_000), live=True)
    stage = Stage(source).run(0.3)
    assert stage.shown() == [0, 1, 2, 3]
    assert min(np.diff(stage.times)) >= 1 / 30 - 1e-9


def test_timestamps_of_live_pictures_grow_over_repeats():
    source = ScriptedSource(live=True)
    stage = Stage(source)
    for index, captured_s in enumerate((0.0, 5.0, 5.001)):
        source.items.append(TimedPicture(av_frame(index), captured_s))
        stage.run(3.2)
    assert min(np.diff(stage.stamps())) > 0
    assert stage.stamps()[-1] <= 9.6 + (5.0 - 3.2) + 0.1, "the captures said 5 s where 3.2 s passed"


def test_a_film_of_stills_repeats_each_until_the_next():
    items = [TimedPicture(av_frame(index), index * 2.0) for index in range(3)]
    stage = Stage(ScriptedSource(items)).run(6.0)
    assert stage.shown() == sorted(stage.shown())
    assert [stage.shown().count(index) for index in range(2)] == pytest.approx([4, 4], abs=1)
    first_of = [stage.stamps()[stage.shown().index(index)] for index in range(3)]
    assert first_of == pytest.approx([0.0, 2.0, 4.0], abs=1e-3)


# --- pause, stall, behind ---


def test_a_pause_stops_reading_drops_the_queue_and_shows_as_time_that_passed():
    source = ScriptedSource(pictures(60))
    stage = Stage(source).run(0.5)
    shown = len(stage.times)
    stage.run(0.05, leave=False)
    stage.line.pause()
    assert stage.wire.lane.groups == []
    pulled = source.pulled
    stage.run(10.0)
    assert source.pulled == pulled
    assert len(stage.times) == shown
    stage.line.resume()
    stage.run(2.0)
    numbers, stamps = stage.shown(), stage.stamps()
    gap = int(np.argmax(np.diff(stamps)))
    assert gap + 1 in stage.keyframes(), "it goes on with an IDR"
    assert stamps[gap + 1] - stamps[gap] == pytest.approx(10.0 + (numbers[gap + 1] - numbers[gap]) / 30, abs=1e-3)
    assert numbers == sorted(set(numbers)), "nothing is shown twice"
    assert numbers[-1] == 59


def test_after_a_pause_sequence_numbers_go_on_without_a_gap():
    stage = Stage(ScriptedSource(pictures(60))).run(0.5)
    stage.run(0.05, leave=False)
    stage.line.pause()
    stage.run(1.0)
    stage.line.resume()
    stage.run(1.0)
    sequences = [header.sequence for header, _ in stage.wire.packets()]
    assert [seq_delta(number, sequences[0]) for number in sequences] == list(range(len(sequences)))


def test_nothing_captured_before_a_pause_is_shown_after_it():
    source = ScriptedSource(pictures(3, rate=1_000), live=True)
    stage = Stage(source)
    stage.run(0.01)
    stage.line.pause()
    stage.run(8.0)
    assert source.forgotten == 1
    stage.line.resume()
    source.items.clear()
    source.items.append(TimedPicture(av_frame(9), 5.0))  # captures say no more than 5 s of a longer pause
    stage.run(0.2)
    assert stage.shown() == [0, 9]
    assert np.diff(stage.stamps()) == pytest.approx([8.0], abs=0.05)


def test_without_a_connection_the_source_is_held_and_goes_on_with_the_next():
    source = ScriptedSource(pictures(60))
    stage = Stage(source, attach=False)
    stage.run(3.0)
    assert source.pulled == 0
    stage.attach()
    stage.run(0.5)
    stage.line.detach()
    stage.run(5.0)
    before = stage.shown()
    stage.wire = VideoWire(seed=2)
    stage.wire.clock.move_to(stage.now + 100.0)
    stage.attach()
    stage.run(3.0)
    assert stage.keyframes()[0] == 0
    assert [*before, *stage.shown()] == list(range(60))


def test_a_source_that_stalls_goes_on_from_now_without_a_burst():
    source = ScriptedSource(pictures(40))
    stage = Stage(source)

    def stall():
        if source.pulled == 20:
            stage.wire.clock.advance(3.0)

    source.on_pull = stall
    stage.run(8.0)
    assert stage.line.counters.stalls == 1
    assert len(stage.times) >= 30
    assert min(np.diff(stage.times)) > 1 / 100
    assert max(np.diff(stage.stamps())) >= 3.0 - STALL_S


def test_pictures_that_come_too_late_are_skipped_before_they_are_encoded():
    source = ScriptedSource(pictures(90))
    source.left_out = 4
    stage = Stage(source)
    real = stage.line._publish

    def slow(*arguments):
        real(*arguments)
        stage.wire.clock.advance(0.050)

    stage.line._publish = slow
    stage.run(6.0)
    assert stage.line.counters.skipped >= 20
    assert stage.line.counters.left_out == 4
    assert stage.line.counters.stalls == 0
    assert stage.shown() == sorted(stage.shown())
    assert stage.stamps()[-1] == pytest.approx(89 / 30, abs=0.1), "media time is kept"


def test_a_queue_that_is_behind_is_dropped_and_an_idr_made():
    stage = Stage(ScriptedSource(pictures(60)))
    stage.run(1.0)
    stage.run(0.2, leave=False)
    stage.wire.lane.backlog = 1.5
    stage.run(0.04, leave=False)
    assert stage.wire.counters.packets_dropped > 0
    stage.wire.lane.backlog = 0.0
    stage.run(1.0)
    assert len(stage.keyframes()) == 2
    assert stage.shown()[-1] == 59


# --- who may see it ---


def test_while_nobody_watches_nothing_is_encoded_and_time_goes_by():
    stage = Stage(ScriptedSource(pictures(60))).run(0.5)
    stage.line.want(wanted=False)
    before = len(stage.times)
    stage.run(0.5)
    assert len(stage.times) <= before + 1
    stage.line.want(wanted=True)
    stage.run(2.0)
    numbers = stage.shown()
    assert len(stage.keyframes()) == 2
    assert max(np.diff(numbers)) == pytest.approx(15, abs=3)
    assert stage.stamps()[-1] == pytest.approx(59 / 30, abs=1e-3)


def test_while_the_gate_is_closed_nothing_leaves_and_the_first_picture_after_is_an_idr():
    stage = Stage(ScriptedSource(pictures(60)), gate=Gate.CLOSED)
    stage.run(0.7)
    assert stage.wire.datagrams == []
    stage.wire.cipher.set_gate(Gate.CLEAR)
    stage.run(2.0)
    assert stage.keyframes()[0] == 0
    assert stage.left == len(stage.shown()) > 30


def test_a_gate_that_opens_on_a_picture_that_stands_shows_it_soon():
    stage = Stage(ScriptedSource(pictures(1), live=True), gate=Gate.CLOSED)
    stage.run(3.0)
    stage.wire.cipher.set_gate(Gate.CLEAR)
    stage.run(REPEAT_S + 0.1)
    assert stage.shown()[:1] == [0]


def test_a_change_of_key_costs_what_was_prepared_and_an_idr_follows():
    stage = Stage(ScriptedSource(pictures(60))).run(1.0)
    stage.run(0.1, leave=False)
    stage.wire.cipher.accept_clear_until(1.0)
    stage.run(1.5)
    assert stage.wire.counters.packets_stale > 0
    assert len(stage.keyframes()) == 2
    assert stage.shown()[-1] == 59


def test_a_cancelled_line_sends_nothing_any_more():
    stage = Stage(ScriptedSource(pictures(60))).run(0.5)
    stage.run(0.05, leave=False)
    before = len(stage.wire.datagrams)
    stage.line.cancel()
    assert stage.source.interrupted == 1
    stage.run(1.0)
    assert len(stage.wire.datagrams) == before
    stage.line.close()
    stage.line.close()
    assert stage.source.closed == 2


def test_a_cancelled_line_takes_nothing_from_the_next_one():
    old = Stage(ScriptedSource(pictures(60))).run(0.5)
    new = PublishLine(ScriptedSource(pictures(5)), TARGET)
    lease = old.wire.sender.lease()
    new.attach(old.wire.sender, lease, lambda: None)
    old.line.cancel()
    old.wire.lane.leave()
    for _ in range(50):
        step = new.step(old.now)
        old.wire.clock.move_to(min(step.next_at, old.now + 0.05))
    assert new.counters.published == 5


# --- sound ---


def with_sound(count, rate=30):
    """Pictures, and beside each its share of sound, whose samples are the time in ms."""
    items = []
    for index, picture in enumerate(pictures(count, rate=rate)):
        at_s = index / rate
        at_ms = (at_s + np.arange(48_000 // rate) / 48_000) * 1_000
        items += [picture, TimedSound(np.repeat(at_ms.astype(np.int16)[:, None], 2, axis=1), at_s)]
    return items


def test_sound_is_heard_when_its_picture_is_seen():
    stage = Stage(ScriptedSource(with_sound(60), has_sound=True), audio=StreamAudio())
    offsets = []
    for _slot in range(90):
        stage.run(0.02)
        frame = stage.audio.take(stage.now)
        if frame is not None and frame[-1, 0] and stage.times:
            offsets.append(frame[0, 0] / 1_000 - (stage.now - stage.times[0]))
    assert len(offsets) > 80
    assert max(np.abs(offsets)) <= 0.040, "media time heard against media time seen"


def test_sound_goes_on_where_it_was_after_a_pause():
    stage = Stage(ScriptedSource(with_sound(60), has_sound=True), audio=StreamAudio())
    heard = []
    for slot in range(150):
        if slot == 40:
            stage.line.pause()
        if slot == 90:
            stage.line.resume()
        stage.run(0.02)
        frame = stage.audio.take(stage.now)
        heard += [] if frame is None else [int(frame[0, 0])]
        assert not 42 < slot < 90 or frame is None
    steps = np.diff(heard)
    assert set(steps) <= {19, 20, 21}, "no sample is lost or repeated"
    assert stage.audio.dropped_samples == 0


def test_sound_that_ends_before_its_film_does_not_hold_it_up():
    items = [*with_sound(10), *pictures(200, start_s=10 / 30)]
    stage = Stage(ScriptedSource(items, has_sound=True), audio=StreamAudio()).run(8.0)
    assert len(stage.shown()) == 210


# --- its end ---


def test_what_is_closed_is_freed_at_once_though_who_is_told_refers_to_it():
    stage = Stage(ScriptedSource(pictures(3)), attach=False)
    line, wire = stage.line, stage.wire
    line.attach(wire.sender, wire.sender.lease(), functools.partial(id, line))
    stage.run(0.5)
    freed = weakref.ref(line)
    gc.collect()
    gc.disable()
    try:
        line.close()
        del line, stage
        assert freed() is None
    finally:
        gc.enable()
