"""Sound is given out in the slot to which it belongs, within 20 ms, whatever happens to the picture."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.media.stream_audio import LONGEST_S, TOLERANCE_S, StreamAudio

RATE = 48_000


def ramp(start_s, seconds):
    """Samples that say when they belong: int16 of their number in ms."""
    at_ms = (start_s + np.arange(round(seconds * RATE)) / RATE) * 1_000
    return np.repeat(at_ms.astype(np.int16)[:, np.newaxis], 2, axis=1)


def test_sound_comes_in_its_slot_and_in_whole_frames():
    audio = StreamAudio()
    assert audio.take(0.88) is None
    lease = audio.lease()
    audio.put(lease, 1.0, ramp(1.0, 0.05))
    audio.put(lease, 1.05, ramp(1.05, 0.05))
    assert audio.take(0.9) is None
    frames = [audio.take(1.0 + 0.02 * slot) for slot in range(5)]
    assert [frame.shape for frame in frames] == [(960, 2)] * 5
    assert np.array_equal(np.concatenate(frames), ramp(1.0, 0.1))
    assert audio.take(1.1) is None
    assert audio.dropped_samples == 0


@given(offset=st.floats(-TOLERANCE_S * 0.99, TOLERANCE_S * 0.99))
def test_a_slot_that_is_a_little_off_loses_and_repeats_nothing(offset):
    audio = StreamAudio()
    lease = audio.lease()
    audio.put(lease, 1.0, ramp(1.0, 0.2))
    frames = [audio.take(1.0 + offset + 0.02 * slot) for slot in range(10)]
    assert np.array_equal(np.concatenate(frames), ramp(1.0, 0.2))


def test_sound_that_is_late_is_dropped_up_to_now():
    audio = StreamAudio()
    lease = audio.lease()
    audio.put(lease, 1.0, ramp(1.0, 0.5))
    frame = audio.take(1.3)
    assert abs(int(frame[0, 0]) - 1_300) <= 1
    assert audio.dropped_samples == pytest.approx(0.3 * RATE, abs=2)


def test_the_end_of_the_sound_is_filled_with_silence():
    audio = StreamAudio()
    lease = audio.lease()
    audio.put(lease, 1.0, ramp(1.0, 0.03))
    audio.take(1.0)
    last = audio.take(1.02)
    assert last[479, 0]
    assert not last[480:].any()


def test_a_gap_of_the_source_is_silence_of_its_length():
    audio = StreamAudio()
    lease = audio.lease()
    audio.put(lease, 1.0, ramp(1.0, 0.03))
    audio.put(lease, 2.0, ramp(2.0, 0.1))
    slots = [1.0 + 0.02 * slot for slot in range(60)]
    heard = {round(slot, 2): frame for slot in slots if (frame := audio.take(slot)) is not None}
    assert max(at for at in heard if at < 1.5) == 1.02
    resumed = min(at for at in heard if at > 1.5)
    assert abs(resumed - 2.0) <= TOLERANCE_S + 1e-9
    assert abs(int(heard[resumed][0, 0]) - 2_000) <= 1


def test_held_sound_is_not_given_out_and_goes_on_later_by_as_much():
    audio = StreamAudio()
    lease = audio.lease()
    audio.put(lease, 1.0, ramp(1.0, 0.1))
    audio.hold(lease)
    assert audio.take(1.0) is None
    audio.release(lease, 5.0)
    assert audio.end_s(lease) == pytest.approx(6.1)
    assert np.array_equal(audio.take(6.0), ramp(1.0, 0.02))


def test_a_source_that_was_replaced_is_not_heard_and_holds_nothing_up():
    audio = StreamAudio()
    old = audio.lease()
    audio.put(old, 1.0, ramp(1.0, 0.1))
    audio.hold(old)
    new = audio.lease()
    assert audio.take(1.0) is None
    audio.put(new, 2.0, ramp(2.0, 0.1))
    audio.put(old, 2.0, ramp(1.0, 0.1))
    audio.hold(old)
    audio.shift(old, 9.0)
    audio.release(old, 9.0)
    assert audio.end_s(old) is None
    assert np.array_equal(audio.take(2.0), ramp(2.0, 0.02))
    audio.clear()
    audio.put(new, 3.0, ramp(3.0, 0.1))
    assert audio.take(3.0) is None


def test_what_nobody_takes_is_bounded():
    audio = StreamAudio()
    lease = audio.lease()
    for step in range(round(LONGEST_S * 10) + 70):
        audio.put(lease, step * 0.1, ramp(step * 0.1, 0.1))
    assert audio.dropped_samples == pytest.approx(7.0 * RATE, abs=5_000)
    audio.clear()
    assert audio.end_s(lease) is None


@given(moves=st.lists(st.tuples(st.sampled_from(["put", "take", "shift", "clear"]), st.floats(0, 0.3)), max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_order_of_calls_gives_whole_frames_or_none(moves):
    audio, at = StreamAudio(), 10.0
    lease = audio.lease()
    for move, amount in moves:
        match move:
            case "put":
                audio.put(lease, at, ramp(0, amount))
                at += amount
            case "take":
                frame = audio.take(at - amount)
                assert frame is None or frame.shape == (960, 2)
            case "shift":
                audio.shift(lease, amount)
            case _:
                lease = audio.lease()


def test_a_producer_and_a_consumer_lose_nothing_between_them():
    audio = StreamAudio()
    lease = audio.lease()
    done = threading.Event()

    def produce():
        for step in range(200):
            audio.put(lease, 1.0 + step * 0.01, ramp(step * 0.01, 0.01))
        done.set()

    thread = threading.Thread(target=produce)
    thread.start()
    assert done.wait(10)
    thread.join()
    taken = [audio.take(1.0 + 0.02 * slot) for slot in range(100)]
    assert np.abs(np.concatenate(taken).astype(int) - ramp(0, 2.0)).max() <= 1, "but for rounding"
