import numpy as np
import pytest

from clankvox.media.signal_meter import SignalMeter


def measure(*samples):
    return tuple(SignalMeter().measure(np.array(samples, np.int16)))


def test_the_most_negative_sample_does_not_overflow():
    assert measure(-32_768, 5) == (32_768, 1, 2)


def test_active_is_above_500_not_at_500():
    assert measure(500, -500, 501, -501, 0) == (501, 2, 5)


def test_nothing_measures_as_nothing():
    assert measure() == (0, 0, 0)


@pytest.mark.parametrize("length", [1, 480, 6_144, 20_000])
def test_any_length_and_no_trace_of_the_pcm(length):
    pcm = np.random.default_rng(length).integers(-32_768, 32_768, length).astype(np.int16)
    meter = SignalMeter()
    wide = np.abs(pcm.astype(np.int32))
    assert tuple(meter.measure(pcm)) == (wide.max(), (wide > 500).sum(), length)
    assert not meter._magnitudes.any()
    assert not meter._above.any()
