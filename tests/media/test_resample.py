import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.media.resample import StreamResampler


def sine(rate_hz, seconds, channels=1, hz=440):
    wave = np.sin(2 * np.pi * hz * np.arange(int(rate_hz * seconds)) / rate_hz) * 8000
    return np.repeat(wave.astype(np.int16)[:, None], channels, axis=1)


def convert(pcm, sizes, resampler):
    parts, start = [], 0
    for size in sizes:
        parts.append(resampler.push(pcm[start : start + size]))
        start += size
    parts.append(resampler.push(pcm[start:]))
    parts.append(resampler.finish())
    return np.concatenate(parts)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([8000, 11025, 16000, 22050, 24000, 44100, 48000]),
    st.sampled_from([8000, 12345, 22050, 24000, 32000, 44100, 48000]),
    st.sampled_from([1, 2]),
    st.lists(st.integers(0, 900), max_size=12),
)
def test_chunk_borders_leave_no_trace_and_the_count_is_exact(in_rate, out_rate, channels, sizes):
    pcm = sine(in_rate, 0.25, channels)
    whole = convert(pcm, [], StreamResampler(in_rate, out_rate, channels))
    chunked = convert(pcm, sizes, StreamResampler(in_rate, out_rate, channels))
    assert abs(len(whole) - len(pcm) * out_rate / in_rate) <= 0.5
    assert chunked.dtype == np.int16
    assert chunked.shape == whole.shape
    assert np.array_equal(chunked, whole)


@pytest.mark.parametrize(("in_rate", "out_rate"), [(24000, 48000), (48000, 22050), (22050, 48000)])
def test_a_tone_stays_that_tone(in_rate, out_rate):
    got = convert(sine(in_rate, 1.0), [], StreamResampler(in_rate, out_rate, 1))[:, 0].astype(float)
    want = sine(out_rate, 1.0)[:, 0].astype(float)
    middle = slice(out_rate // 10, -out_rate // 10)
    error = got[middle] - want[middle]
    assert 10 * np.log10(np.mean(want[middle] ** 2) / np.mean(error**2)) > 55


def test_after_finish_the_next_stream_begins():
    resampler = StreamResampler(24000, 48000, 1)
    first = convert(sine(24000, 0.1), [], resampler)
    second = convert(sine(24000, 0.1), [100, 1], resampler)
    assert np.array_equal(first, second)


def test_equal_rates_hand_back_a_copy():
    pcm = sine(48000, 0.02)
    out = StreamResampler(48000, 48000, 1).push(pcm)
    assert np.array_equal(out, pcm)
    assert not np.shares_memory(out, pcm)


def test_nothing_in_is_nothing_out():
    resampler = StreamResampler(8000, 48000, 2)
    assert resampler.push(np.empty((0, 2), np.int16)).shape == (0, 2)
    assert resampler.finish().shape == (0, 2)
