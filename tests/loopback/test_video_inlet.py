import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.loopback import h264_payload
from clankvox.loopback.video_inlet import VideoInlet

FIRST = 65_500


def pictures(count):
    """Pictures of three packets each, as (sequence, timestamp, payload, marker), across the wrap."""
    packets, units = [], []
    for index in range(count):
        unit = h264_payload.join([b"\x67" + bytes((index % 250 + 1,)), b"\x65" + bytes(range(1, 100)) * 2])
        units.append(unit)
        payloads = h264_payload.packetise(unit, 150)
        for part, payload in enumerate(payloads):
            packets.append((FIRST + len(packets) & 0xFFFF, index * 3000, payload, part == len(payloads) - 1))
    return packets, units


def take(inlet, packet, now):
    sequence, timestamp, payload, marker = packet
    return inlet.take(sequence, timestamp, payload, now, marker=marker)


def test_pictures_in_order_are_whole_at_their_marker():
    packets, units = pictures(40)
    inlet = VideoInlet("H264", 0.25)
    found = [one.frame for packet in packets for one in take(inlet, packet, 0.0)]
    assert found == units
    assert inlet.counters == {"packets": len(packets)}


@given(st.integers(0, 2**32), st.integers(1, 8))
def test_any_order_and_duplicates_give_the_same_pictures(seed, distance):
    packets, units = pictures(20)
    draws = random.Random(seed)
    shuffled = sorted(range(1, len(packets)), key=lambda index: index + draws.uniform(0, distance))
    order = [0, *shuffled]
    doubled = [index for index in order for _ in range(draws.choice((1, 1, 2)))]
    inlet = VideoInlet("H264", 0.25)
    found = [one.frame for index in doubled for one in take(inlet, packets[index], 0.0)]
    assert found == units
    assert inlet.counters["duplicates"] == len(doubled) - len(packets)


def test_what_is_missing_is_asked_for_at_once_and_again_and_a_repair_completes_the_picture():
    packets, units = pictures(3)
    inlet = VideoInlet("H264", 0.25)
    found = [one for index, packet in enumerate(packets) if index not in (3, 4) for one in take(inlet, packet, 1.0)]
    assert [one.frame for one in found] == units[:1]
    missing = [packets[3][0], packets[4][0]]
    assert inlet.to_ask(1.0) == missing
    assert inlet.to_ask(1.05) == []
    assert inlet.to_ask(1.1) == missing
    for sequence, timestamp, payload, marker in packets[3:5]:
        found += inlet.take_repair(sequence.to_bytes(2, "big") + payload, timestamp, 1.1, marker=marker)
    assert [one.frame for one in found] == units
    assert inlet.counters["repaired"] == 2
    assert inlet.to_ask(2.0) == []


def test_what_does_not_come_is_given_up_in_time_and_costs_the_picture_that_it_was_of():
    packets, units = pictures(4)
    inlet = VideoInlet("H264", 0.25)
    found = [one for index, packet in enumerate(packets) if index != 4 for one in take(inlet, packet, 1.0)]
    assert inlet.give_up(1.2) == (False, [])
    lost, more = inlet.give_up(1.3)
    assert lost
    assert [one.frame for one in found + more] == [units[0], units[2], units[3]]
    assert (inlet.counters["lost"], inlet.counters["incomplete"]) == (1, 1)
    assert take(inlet, packets[4], 1.4) == []
    assert inlet.counters["duplicates"] == 1


def test_a_picture_whose_first_packets_are_lost_is_not_taken_for_whole():
    packets, units = pictures(3)
    inlet = VideoInlet("H264", 0.1)
    found = [one for index, packet in enumerate(packets) if index not in (2, 3) for one in take(inlet, packet, 1.0)]
    found += inlet.give_up(1.2)[1]
    assert [one.frame for one in found] == [units[2]]


def test_padding_takes_a_number_and_nothing_else():
    inlet = VideoInlet("VP8", 0.1)
    assert inlet.take(1, 5, b"\x10key", 0.0, marker=False) == []
    assert inlet.take(2, 5, b"", 0.0, marker=False) == []
    assert [one.frame for one in inlet.take(3, 5, b"\x00rest", 0.0, marker=True)] == [b"keyrest"]
    assert inlet.counters["padding"] == 1


@pytest.mark.parametrize("jump", [5_000, -5_000])
def test_a_far_jump_begins_anew(jump):
    inlet = VideoInlet("VP8", 0.1)
    inlet.take(30_000, 5, b"\x10a", 0.0, marker=True)
    assert inlet.take(30_000 + jump, 9, b"\x10b", 0.0, marker=True) == []
    assert [one.frame for one in inlet.take(30_001 + jump, 12, b"\x10c", 0.0, marker=True)] == [b"c"]
    assert inlet.counters["resets"] == 1


def test_what_makes_no_sense_is_told_as_such():
    inlet = VideoInlet("H264", 0.1)
    assert [one.frame for one in inlet.take(1, 5, b"\x7c\x05middle", 0.0, marker=True)] == [None]


@given(
    st.lists(st.tuples(st.integers(0, 65_535), st.integers(0, 99), st.binary(max_size=9), st.booleans()), max_size=60)
)
def test_nothing_that_comes_raises_or_grows_without_bound(packets):
    inlet = VideoInlet("H264", 0.1)
    for index, (sequence, timestamp, payload, marker) in enumerate(packets):
        inlet.take(sequence, timestamp, payload, index / 10, marker=marker)
        inlet.take_repair(payload, timestamp, index / 10, marker=marker)
        inlet.give_up(index / 10)
        assert len(inlet.to_ask(index / 10)) <= 253
