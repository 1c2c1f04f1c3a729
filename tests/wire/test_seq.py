from hypothesis import given
from hypothesis import strategies as st

from clankvox.wire.seq import seq_add, seq_delta, timestamp_add, timestamp_delta

SEQUENCES = st.integers(0, 0xFFFF)
TIMESTAMPS = st.integers(0, 0xFFFF_FFFF)


def test_distances_cross_the_wrap_in_both_directions():
    assert seq_delta(2, 0xFFFE) == 4
    assert seq_delta(0xFFFE, 2) == -4
    assert timestamp_delta(960, 0xFFFF_FFFF) == 961
    assert timestamp_delta(0xFFFF_FFFF, 960) == -961


def test_half_the_circle_counts_as_behind():
    assert seq_delta(0x8000, 0) == -0x8000
    assert seq_delta(0x7FFF, 0) == 0x7FFF
    assert timestamp_delta(0x8000_0000, 0) == -0x8000_0000


@given(SEQUENCES, st.integers(-0x8000, 0x7FFF))
def test_seq_delta_undoes_seq_add(sequence, count):
    assert 0 <= seq_add(sequence, count) <= 0xFFFF
    assert seq_delta(seq_add(sequence, count), sequence) == count


@given(TIMESTAMPS, st.integers(-0x8000_0000, 0x7FFF_FFFF))
def test_timestamp_delta_undoes_timestamp_add(timestamp, ticks):
    assert 0 <= timestamp_add(timestamp, ticks) <= 0xFFFF_FFFF
    assert timestamp_delta(timestamp_add(timestamp, ticks), timestamp) == ticks
