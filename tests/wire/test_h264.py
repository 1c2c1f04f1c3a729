"""Byte streams and RFC 6184 payloads, checked against aiortc's code."""

from contextlib import suppress

import pytest
from aiortc.codecs.h264 import H264Encoder, H264PayloadDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.errors import WireError
from clankvox.wire.h264 import START_CODE, NalType, depacketise, join_annex_b, nal_type, packetise, split_annex_b

MAX = 20
BODIES = st.binary(max_size=70).map(lambda data: data.replace(b"\x00", b"\x03"))
NALS = st.lists(st.builds(lambda kind, body: bytes((0x60 | kind,)) + body, st.integers(1, 12), BODIES), min_size=1)


def reassemble(payloads):
    return b"".join(depacketise(payload).data for payload in payloads)


@given(NALS)
def test_a_byte_stream_splits_into_what_it_was_joined_from(nals):
    assert split_annex_b(join_annex_b(nals)) == nals


def test_three_byte_codes_leading_rubbish_and_empty_units_are_understood():
    assert split_annex_b(b"rubbish\x00\x00\x01\x65a\x00\x00\x01\x00\x00\x01\x41") == [b"\x65a", b"\x41"]
    assert split_annex_b(b"no code") == []
    assert split_annex_b(b"\x00\x00\x01") == []


def test_ciphertext_that_ends_in_zeros_stays_whole():
    nals = [b"\x41x\x00\x00", b"\x41y"]
    assert split_annex_b(join_annex_b(nals)) == nals


@given(NALS, st.integers(3, 60))
def test_what_is_packetised_depacketises_with_four_byte_codes(nals, max_payload):
    payloads = packetise(nals, max_payload)
    assert all(len(payload) <= max_payload for payload in payloads)
    assert reassemble(payloads) == join_annex_b(nals)


@given(NALS)
def test_an_independent_depacketiser_reads_our_packets(nals):
    read = b""
    for payload in packetise(nals, MAX):
        if len(payload) < 2:  # aiortc takes no NAL unit that is its header only
            return
        read += H264PayloadDescriptor.parse(payload)[1]
    assert read == join_annex_b(nals)


@given(st.lists(st.binary(min_size=1, max_size=3000).map(lambda body: b"\x65" + body), min_size=1, max_size=6))
def test_we_read_the_packets_of_an_independent_packetiser(nals):
    """Its packets have FU-A and STAP-A."""
    assert reassemble(H264Encoder._packetize(nals)) == join_annex_b(nals)


@pytest.mark.parametrize(("size", "count"), [(MAX - 1, 1), (MAX, 1), (MAX + 1, 2), (2 * MAX, 3), (MAX + 17, 2)])
def test_fragments_are_even_and_never_start_and_end_at_once(size, count):
    payloads = packetise([b"\x65" + bytes(range(1, size))], MAX)
    assert len(payloads) == count
    if count > 1:
        assert [payload[1] & 0xC0 for payload in payloads] == [0x80, *[0] * (count - 2), 0x40]
        assert max(map(len, payloads)) - min(map(len, payloads)) < count
    assert reassemble(payloads) == START_CODE + b"\x65" + bytes(range(1, size))


def test_a_payload_that_cannot_hold_a_fragment_is_not_built():
    with pytest.raises(ValueError):
        packetise([b"\x65abc"], 2)


def test_a_continuation_begins_nothing():
    first, middle, last = (depacketise(each) for each in packetise([b"\x65" + b"x" * 50], MAX))
    assert [(p.begins, p.ends) for p in (first, middle, last)] == [(1, False), (0, False), (0, True)]
    assert first.first_type == NalType.IDR


def test_an_aggregate_counts_its_units():
    piece = depacketise(b"\x78\x00\x02\x67a\x00\x02\x68b")
    assert piece == (START_CODE + b"\x67a" + START_CODE + b"\x68b", 2, True, NalType.SPS)
    assert nal_type(b"\x67a") == NalType.SPS


@pytest.mark.parametrize(
    "payload",
    [
        b"\x00",
        b"\xe5abc",
        b"\x1eabc",
        b"\x1f",
        b"\x19abcd",
        b"\x7c",
        b"\x7c\xc5x",
        b"\x7c\x9cx",
        b"\x7c\x80x",
        b"\x78",
        b"\x78\x00",
        b"\x78\x00\x00",
        b"\x78\x00\x05\x67a",
        b"\x78\x00\x02\x67a\x00",
        b"\x78\x00\x02\x7ca",
        b"\x78\x00\x02\xe7a",
    ],
)
def test_what_mode_1_does_not_have_is_refused(payload):
    with pytest.raises(WireError):
        depacketise(payload)


@given(st.binary(min_size=1, max_size=60))
@settings(max_examples=500)
def test_random_payloads_raise_nothing_but_wire_error(payload):
    with suppress(WireError):
        depacketise(payload)
    split_annex_b(payload)
