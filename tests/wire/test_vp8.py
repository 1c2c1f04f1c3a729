"""RFC 7741 payloads, checked against aiortc's code."""

from contextlib import suppress

import pytest
from aiortc.codecs.vpx import VpxPayloadDescriptor
from hypothesis import given
from hypothesis import strategies as st

from clankvox.errors import WireError
from clankvox.wire import vp8

KEY = b"\x10\x02\x00\x9d\x01\x2a\x80\x42\xe0\x01rest"


@given(st.binary(min_size=1, max_size=99), st.integers(0, 0xFFFF), st.integers(5, 30))
def test_an_independent_reader_reads_our_packets_and_so_do_we(frame, picture_id, max_payload):
    payloads = vp8.packetise(frame, picture_id, max_payload)
    assert all(len(payload) <= max_payload for payload in payloads)
    theirs = [VpxPayloadDescriptor.parse(payload) for payload in payloads]
    assert b"".join(data for _, data in theirs) == frame
    assert {descriptor.picture_id for descriptor, _ in theirs} == {picture_id & 0x7FFF}
    ours = [vp8.depacketise(payload) for payload in payloads]
    assert b"".join(piece.data for piece in ours) == frame
    assert [piece.begins for piece in ours] == [bool(d.partition_start) for d, _ in theirs]
    assert [piece.begins for piece in ours] == [True] + [False] * (len(ours) - 1)


OPTIONAL = st.none() | st.integers(0, 31)


@given(st.booleans(), st.integers(0, 7), st.none() | st.integers(0, 0x7FFF), OPTIONAL, OPTIONAL)
def test_every_descriptor_of_an_independent_writer_is_skipped(start, partition, picture_id, tl0, key):
    descriptor = VpxPayloadDescriptor(int(start), partition, picture_id, tl0, keyidx=key)
    piece = vp8.depacketise(bytes(descriptor) + b"data")
    assert piece == (b"data", start and partition == 0)


def test_a_short_picture_id_takes_one_byte():
    assert vp8.depacketise(b"\x90\x80\x11data") == (b"data", True)


@pytest.mark.parametrize("payload", [b"\x10", b"\x80", b"\x90\x80", b"\x90\x80\x81\x01", b"\x90\xf0\x01\x02\x03"])
def test_a_payload_that_ends_within_its_descriptor_is_refused(payload):
    with pytest.raises(WireError):
        vp8.depacketise(payload)


@given(st.binary(min_size=1, max_size=12))
def test_random_payloads_raise_nothing_but_wire_error(payload):
    with suppress(WireError):
        vp8.depacketise(payload)


def test_key_frames_say_their_size_without_the_scale_bits():
    assert vp8.is_key_frame(KEY)
    assert vp8.dimensions(KEY) == (640, 480)
    assert not vp8.is_key_frame(b"\x11")


@pytest.mark.parametrize("frame", [KEY[:9], b"\x10\x02\x00\x9d\x01\x2b\x80\x02\xe0\x01"])
def test_what_is_no_key_frame_has_no_size(frame):
    with pytest.raises(WireError):
        vp8.dimensions(frame)


def test_a_payload_size_without_room_is_refused():
    with pytest.raises(ValueError):
        vp8.packetise(b"x", 0, 4)
