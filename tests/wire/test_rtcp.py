import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.errors import WireError
from clankvox.wire import rtcp

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "transport_crypto.json").read_text())
U8, U16, U32 = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF)
BLOCKS = st.lists(
    st.builds(rtcp.ReportBlock, U32, U8, st.integers(-0x80_0000, 0x7F_FFFF), U32, U32, U32, U32),
    max_size=31,
).map(tuple)
PACKETS = st.one_of(
    st.builds(rtcp.SenderReport, U32, st.integers(0, 2**64 - 1), U32, U32, U32, BLOCKS),
    st.builds(rtcp.ReceiverReport, U32, BLOCKS),
    st.builds(rtcp.Pli, U32, U32),
    st.builds(rtcp.Fir, U32, st.lists(st.builds(rtcp.FirRequest, U32, U8), max_size=5).map(tuple)),
    st.builds(
        rtcp.Unknown,
        st.sampled_from([202, 203, 204, 207]),
        st.integers(0, 31),
        st.binary(max_size=8).map(lambda b: b * 4),
    ),
)


def test_the_captured_compound_reads_as_sender_report_and_description():
    captured = VECTORS[2]
    plaintext = bytes.fromhex(captured["clear"] + captured["plain"])
    report, description = rtcp.parse_compound(plaintext)
    assert report == rtcp.SenderReport(388120, 16814089820714781638, 173760976, 23438, 1992219, ())
    assert description == rtcp.Unknown(202, 1, bytes.fromhex("0005ec1801000000"))
    assert rtcp.build_compound([report, description]) == plaintext


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (rtcp.Pli(1, 2), "81ce00020000000100000002"),
        (rtcp.Fir(1, (rtcp.FirRequest(2, 7),)), "84ce000400000001000000000000000207000000"),
        (rtcp.Nack(1, 2, (10, 11, 26, 27)), "81cd0004 00000001 00000002 000a8001 001b0000"),
        (rtcp.ReceiverReport(1), "80c9000100000001"),
        (
            rtcp.ReceiverReport(1, (rtcp.ReportBlock(2, 0x80, -1, 3, 4, 5, 6),)),
            "81c90007000000010000000280ffffff00000003000000040000000500000006",
        ),
    ],
)
def test_packets_are_the_documented_bytes(packet, expected):
    expected = bytes.fromhex(expected.replace(" ", ""))
    assert rtcp.build_packet(packet) == expected
    assert rtcp.parse_compound(expected) == [packet]


@given(st.lists(PACKETS, min_size=1, max_size=4))
def test_a_built_compound_parses_to_what_it_was_built_from(packets):
    assert rtcp.parse_compound(rtcp.build_compound(packets)) == packets


@given(U16, st.lists(st.integers(1, 40), max_size=200))
def test_a_nack_keeps_its_sequences_across_the_wrap(first, gaps):
    sequences = [first]
    for gap in gaps:
        sequences.append((sequences[-1] + gap) & 0xFFFF)
    nack = rtcp.Nack(1, 2, tuple(sequences))
    assert rtcp.parse_compound(rtcp.build_nack(nack)) == [nack]


def test_an_unordered_nack_names_the_same_packets():
    built = rtcp.build_nack(rtcp.Nack(1, 2, (500, 3, 4, 499, 4)))
    (parsed,) = rtcp.parse_compound(built)
    assert set(parsed.sequences) == {3, 4, 499, 500}


def test_padding_of_the_last_packet_is_removed():
    padded = bytes.fromhex("a1ce0003 00000001 00000002 00000004")
    assert rtcp.parse_compound(padded) == [rtcp.Pli(1, 2)]


@pytest.mark.parametrize(
    "plaintext",
    [
        "",
        "81ce00",
        "01ce00020000000100000002",
        "81ce00030000000100000002",
        "81ce000100000001",
        "81c9000100000001",
        "80c8000100000001",
        "81cd000100000001",
        "84ce00030000000100000000 00000002",
        "80ca0000 ff",
        "a0ca0000",
        "a1ce0002 00000001 00000000",
        "a1ce0002 00000001 00000009",
    ],
)
def test_a_cut_or_inconsistent_compound_is_refused(plaintext):
    with pytest.raises(WireError):
        rtcp.parse_compound(bytes.fromhex(plaintext))


HEADERS = st.tuples(st.integers(0x80, 0xBF), st.sampled_from([200, 201, 202, 205, 206]), st.just(0), st.integers(0, 12))


@given(st.binary(max_size=80) | st.builds(lambda head, tail: bytes(head) + tail, HEADERS, st.binary(max_size=60)))
def test_random_bytes_raise_nothing_but_wire_error(plaintext):
    with suppress(WireError):
        assert rtcp.parse_compound(plaintext)


def test_more_blocks_than_the_count_can_say_are_not_built():
    with pytest.raises(ValueError):
        rtcp.build_receiver_report(rtcp.ReceiverReport(1, (rtcp.ReportBlock(*[0] * 7),) * 32))
