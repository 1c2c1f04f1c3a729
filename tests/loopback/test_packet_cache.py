from clankvox.loopback.packet_cache import SLOTS, PacketCache


def test_the_last_packets_are_found_by_exactly_their_number():
    cache = PacketCache()
    for sequence in range(65_000, 65_000 + SLOTS):
        cache.store(sequence & 0xFFFF, str(sequence & 0xFFFF))
    assert cache.get(65_000) == "65000"
    assert cache.get(5) == "5"
    assert cache.get(64_999) is None
    cache.store(65_000 + SLOTS & 0xFFFF, "newer")
    assert cache.get(65_000) is None
