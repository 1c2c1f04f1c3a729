import pytest
from aiortc.codecs.h264 import H264Encoder, h264_depayload
from hypothesis import given
from hypothesis import strategies as st

from clankvox.errors import WireError
from clankvox.loopback import h264_payload as h264
from clankvox.wire import h264 as of_the_client

SPS, PPS = b"\x67sps", b"\x68pps"
MAX = 100


def nal(size, kind=5):
    return bytes((0x60 | kind,)) + bytes(1 + index % 250 for index in range(size - 1))


@pytest.mark.parametrize("size", [2, MAX - 1, MAX, MAX + 1, 2 * MAX, 5 * MAX + 3])
def test_a_nal_unit_of_any_size_comes_back_and_no_payload_is_too_large(size):
    unit = h264.join([SPS, PPS, nal(size)])
    payloads = h264.packetise(unit, MAX)
    assert max(map(len, payloads)) <= MAX
    assert h264.depacketise(payloads) == unit


def test_a_nal_unit_that_is_just_too_large_has_two_fragments_a_start_and_an_end():
    first, last = h264.packetise(h264.join([nal(MAX + 1)]), MAX)
    assert (first[0], first[1]) == (0x60 | 28, 0x80 | 5)
    assert (last[0], last[1]) == (0x60 | 28, 0x40 | 5)


def test_zeros_before_a_start_code_belong_to_an_encrypted_slice():
    unit = h264.join([nal(5) + b"\0\0", nal(9, 1)])
    assert h264.split(unit) == [nal(5) + b"\0\0", nal(9, 1)]
    assert h264.split(b"\0\0\1" + SPS + b"\0\0\1" + PPS) == [SPS, PPS]


@given(st.lists(st.binary(min_size=1, max_size=40).map(lambda body: b"\x65" + body.replace(b"\0", b"\1")), min_size=1))
def test_any_access_unit_survives(nals):
    assert h264.depacketise(h264.packetise(h264.join(nals), 20)) == h264.join(nals)


def test_aggregated_nal_units_come_apart_and_padding_is_nothing():
    together = h264.aggregate([SPS, PPS])
    assert together[0] == 0x60 | 24
    assert h264.depacketise([together, b"", nal(4)]) == h264.join([SPS, PPS, nal(4)])


FIRST, MIDDLE, LAST = h264.packetise(h264.join([nal(250)]), MAX)


@pytest.mark.parametrize(
    "payloads",
    [
        [],
        [b""],
        [MIDDLE, LAST],
        [FIRST, MIDDLE],
        [FIRST, SPS],
        [FIRST, FIRST],
        [b"\x7c\xc5data"],
        [b"\x7c\x85"],
        [b"\x78\x00\x09short"],
        [b"\x78\x00\x00"],
        [b"\x79mtap"],
        [b"\x60reserved"],
    ],
)
def test_what_is_not_whole_is_refused(payloads):
    with pytest.raises(WireError):
        h264.depacketise(payloads)


def test_only_an_idr_slice_makes_a_key_frame():
    assert h264.is_key(h264.join([SPS, PPS, nal(9, 5)]))
    assert not h264.is_key(h264.join([SPS, PPS]))
    assert not h264.is_key(h264.join([nal(9, 1)]))


nal_lists = st.lists(st.tuples(st.integers(1, 23), st.integers(1, 4000)), min_size=1, max_size=6).map(
    lambda shapes: [nal(size + 1, kind) for kind, size in shapes]
)


@given(nal_lists)
def test_two_other_implementations_read_what_is_packetised_here(nals):
    unit = h264.join(nals)
    payloads = h264.packetise(unit)
    assert b"".join(h264_depayload(payload) for payload in payloads) == unit
    assert b"".join(of_the_client.depacketise(payload).data for payload in payloads) == unit


@given(nal_lists)
def test_what_two_other_implementations_packetise_is_read_here(nals):
    unit = h264.join(nals)
    assert h264.depacketise(H264Encoder._packetize(H264Encoder._split_bitstream(unit))) == unit
    assert h264.depacketise(of_the_client.packetise(nals, 1150)) == unit
