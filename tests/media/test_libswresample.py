"""The converter beneath PyAV's: the same samples, and a fresh start that keeps nothing of what was before."""

import av
import numpy as np
import pytest

from clankvox.errors import CodecError
from clankvox.media.libswresample import SwrContext
from tests.support.spoken import voice

RATES = [(8_000, 48_000), (22_050, 48_000), (24_000, 48_000), (44_100, 48_000), (48_000, 16_000), (48_000, 22_050)]


def converted(context, pcm, size=997):
    parts = []
    for start in range(0, len(pcm), size):
        part = pcm[start : start + size].copy()
        out = np.zeros((context.most_samples(len(part)), part.shape[1]), np.int16)
        parts.append(out[: context.convert(part.ctypes.data, len(part), out.ctypes.data, len(out))])
    tail = np.zeros((context.most_samples(0), pcm.shape[1]), np.int16)
    return np.concatenate([*parts, tail[: context.flush(tail.ctypes.data, len(tail))]])


def by_pyav(pcm, in_rate_hz, out_rate_hz):
    layout = "mono" if pcm.shape[1] == 1 else "stereo"
    resampler = av.AudioResampler("s16", layout, out_rate_hz)
    frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), "s16", layout)
    frame.sample_rate = in_rate_hz
    frames = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([each.to_ndarray().reshape(-1, pcm.shape[1]) for each in frames])


def speech(rate_hz, channels, seed=1):
    return np.stack([voice(0.3, seed + channel, rate_hz) for channel in range(channels)], axis=1)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("in_rate_hz", "out_rate_hz"), RATES)
def test_it_gives_what_pyav_gives_to_the_bit(in_rate_hz, out_rate_hz, channels):
    context = SwrContext(in_rate_hz, out_rate_hz, channels)
    context.begin()
    pcm = speech(in_rate_hz, channels)
    got, wanted = converted(context, pcm), by_pyav(pcm, in_rate_hz, out_rate_hz)
    most = min(len(got), len(wanted))
    assert abs(len(got) - len(wanted)) <= 1
    assert np.array_equal(got[:most], wanted[:most])


@pytest.mark.parametrize(("in_rate_hz", "out_rate_hz"), RATES)
def test_it_begins_anew_in_the_midst_of_a_sound_and_keeps_nothing_of_it(in_rate_hz, out_rate_hz):
    context, pcm = SwrContext(in_rate_hz, out_rate_hz, 1), speech(in_rate_hz, 1)
    context.begin()
    first = converted(context, pcm)
    context.begin()
    loud = np.full((331, 1), 32_767, np.int16)
    out = np.zeros((context.most_samples(len(loud)), 1), np.int16)
    context.convert(loud.ctypes.data, len(loud), out.ctypes.data, len(out))
    context.begin()
    assert np.array_equal(converted(context, pcm), first)


def test_a_rate_of_nothing_is_refused():
    with pytest.raises(CodecError):
        SwrContext(24_000, 0, 1).begin()


def test_a_converter_that_is_not_needed_any_more_is_freed():
    context = SwrContext(24_000, 48_000, 1)
    context.begin()
    handle = context._context
    assert handle.value
    del context
    assert handle.value is None
