"""The PCM of a track between two threads."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.media.track_buffer import TrackBuffer


def pcm(first: int, count: int) -> np.ndarray:
    left = np.arange(first, first + count, dtype=np.int16)
    return np.stack((left, -left), axis=1)


def take(buffer: TrackBuffer, samples: int = 960) -> np.ndarray:
    out = np.zeros((samples, 2), np.int16)
    return out[: buffer.take_into(out)]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=60))
def test_both_channels_come_out_in_order_and_no_more_than_fits_goes_in(steps):
    buffer = TrackBuffer(capacity_ms=2)
    written = read = 0
    for wish, count in steps:
        fits = wish <= 96 - (written - read)
        assert buffer.put_now(pcm(written + 1, wish)) is fits
        written += wish * fits
        taken = take(buffer, count)
        assert np.array_equal(taken, pcm(read + 1, len(taken)))
        read += len(taken)
        assert buffer.buffered_samples == written - read


def test_the_producer_waits_for_room_and_the_consumer_never_waits():
    buffer = TrackBuffer(capacity_ms=20)
    assert len(take(buffer)) == 0
    assert buffer.wait_room(960, 0.0)
    assert buffer.put_now(pcm(0, 960))
    assert not buffer.wait_room(1, 0.001)
    take(buffer, 10)
    assert buffer.wait_room(10, 0.0)


def test_all_of_a_long_put_goes_through_a_short_buffer():
    buffer = TrackBuffer(capacity_ms=40)
    everything = pcm(0, 9_700)
    filled = threading.Semaphore(0)
    results = []

    def produce():
        results.append(buffer.put(everything, 0.5))
        buffer.finish()
        filled.release()

    worker = threading.Thread(target=produce)
    worker.start()
    parts = []
    while not buffer.exhausted:
        parts.append(take(buffer))
    worker.join(5.0)
    assert results == [True]
    assert np.array_equal(np.concatenate(parts), everything)


@pytest.mark.parametrize(
    "wait", [lambda buffer: buffer.wait_room(960, 30.0), lambda buffer: buffer.put(pcm(0, 9), 30.0)]
)
def test_close_lets_a_waiting_producer_go(wait):
    buffer = TrackBuffer(capacity_ms=20)
    buffer.put_now(pcm(0, 960))
    worker = threading.Thread(target=wait, args=(buffer,))
    worker.start()
    buffer.close()
    worker.join(5.0)
    assert not worker.is_alive()
    assert buffer.put(pcm(0, 10), 0.0) is False
    assert buffer.put_now(pcm(0, 10)) is False


def test_close_overwrites_what_was_there():
    buffer = TrackBuffer(capacity_ms=20)
    buffer.put_now(pcm(1, 500))
    buffer.close()
    assert buffer.closed
    assert buffer.buffered_samples == 0
    assert not buffer._ring._samples.any()


def test_filled_is_told_at_each_turn_from_empty_and_once_at_the_end():
    told = []
    buffer = TrackBuffer(on_filled=lambda: told.append(buffer.buffered_samples))
    buffer.put_now(pcm(0, 0))
    buffer.put_now(pcm(0, 5))
    buffer.put_now(pcm(5, 5))
    take(buffer)
    buffer.put_now(pcm(10, 7))
    buffer.finish()
    buffer.finish()
    assert told == [5, 7, 7]


def test_a_track_is_exhausted_when_it_is_over_and_all_was_taken():
    buffer = TrackBuffer()
    buffer.put_now(pcm(0, 5))
    assert not buffer.finished
    buffer.finish()
    assert buffer.finished
    assert not buffer.exhausted
    take(buffer)
    assert buffer.exhausted
    with pytest.raises(ValueError, match="after the end"):
        buffer.put_now(pcm(0, 1))


def test_what_can_never_fit_is_not_waited_for():
    with pytest.raises(ValueError, match="holds"):
        TrackBuffer(capacity_ms=1).wait_room(49, 0.0)
