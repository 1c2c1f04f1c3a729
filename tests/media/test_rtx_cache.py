"""A packet is found by its number until 1,024 newer ones have come."""

from hypothesis import given
from hypothesis import strategies as st

from clankvox.media.rtx_cache import CAPACITY_PACKETS, CachedPacket, RtxCache
from clankvox.wire.seq import seq_add


def packet(sequence):
    return CachedPacket(sequence, 90, marker=False, payload=b"p", generation=1, queued_at=0.0)


@given(first=st.integers(0, 65_535), count=st.integers(1, 3_000))
def test_the_newest_packets_are_found_and_older_ones_are_not(first, count):
    cache = RtxCache()
    for number in range(count):
        cache.put(packet(seq_add(first, number)))
    kept = min(count, CAPACITY_PACKETS)
    for back in (0, kept // 2, kept - 1):
        sequence = seq_add(first, count - 1 - back)
        assert cache.find(sequence).sequence == sequence
    assert cache.find(seq_add(first, count - 1 - kept)) is None
    assert cache.find(seq_add(first, count)) is None


@given(first=st.integers(0, 65_535), keep=st.integers(0, 50), forget=st.integers(0, 1_100))
def test_what_never_left_is_forgotten_and_the_rest_is_kept(first, keep, forget):
    cache = RtxCache()
    for number in range(keep + forget):
        cache.put(packet(seq_add(first, number)))
    cache.forget(seq_add(first, keep), seq_add(first, keep + forget))
    assert all(cache.find(seq_add(first, keep + number)) is None for number in range(forget))
    if keep and keep + forget <= CAPACITY_PACKETS:
        assert cache.find(seq_add(first, keep - 1)) is not None
