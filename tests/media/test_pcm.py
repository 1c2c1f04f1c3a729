"""The queue of samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.media.pcm import PcmRing


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=80))
def test_samples_come_out_in_order_and_leave_only_zeros_behind(steps):
    ring = PcmRing(64)
    written = read = 0
    for wish, take in steps:
        put = min(wish, 64 - len(ring))
        ring.put(np.arange(written + 1, written + put + 1, dtype=np.int16))
        written += put
        target = np.zeros(take, np.int16)
        count = ring.take_into(target)
        assert list(target[:count]) == list(range(read + 1, read + count + 1))
        assert not target[count:].any()
        read += count
        assert len(ring) == written - read
        assert np.count_nonzero(ring._samples) == len(ring)


def test_more_than_fits_is_refused_whole():
    ring = PcmRing(4)
    with pytest.raises(ValueError, match="fit"):
        ring.put(np.ones(5, np.int16))
    assert len(ring) == 0


def test_clear_overwrites_what_was_there():
    ring = PcmRing(8)
    ring.put(np.arange(1, 7, dtype=np.int16))
    ring.clear()
    assert len(ring) == 0
    assert not ring._samples.any()


def test_with_two_channels_the_counts_are_per_channel():
    ring = PcmRing(4, channels=2)
    for first in range(0, 12, 3):
        put = np.array([[n, -n] for n in range(first + 1, first + 4)], np.int16)
        ring.put(put)
        assert len(ring) == 3
        target = np.zeros((4, 2), np.int16)
        assert ring.take_into(target) == 3
        assert np.array_equal(target[:3], put)
    assert not ring._samples.any()
