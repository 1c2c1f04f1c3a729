import pytest
from aiortc.codecs.vpx import Vp8Encoder, vp8_depayload
from hypothesis import given
from hypothesis import strategies as st

from clankvox.errors import WireError
from clankvox.loopback import vp8_payload as vp8


@given(st.binary(min_size=1, max_size=500), st.integers(0, 70_000))
def test_any_frame_survives_and_no_payload_is_too_large(frame, picture_id):
    payloads = vp8.packetise(frame, picture_id, 50)
    assert max(map(len, payloads)) <= 50
    assert vp8.depacketise(payloads) == frame


def test_the_descriptor_is_that_of_discords_clients():
    first, second = vp8.packetise(bytes(80), 5, 50)
    assert first[:4] == b"\x90\x80\x80\x05"
    assert second[:4] == b"\x80\x80\x80\x05"


@pytest.mark.parametrize(
    ("descriptor", "rest"),
    [(b"\x10", b"x"), (b"\x90\x80\x05", b"x"), (b"\x90\xf0\x80\x05\x01\x02", b"x"), (b"\x90\x20\x01", b"x")],
)
def test_descriptors_of_other_senders_are_read(descriptor, rest):
    assert vp8.depacketise([descriptor + rest]) == rest


@pytest.mark.parametrize("payloads", [[], [b"\x00x"], [b"\x11x"], [b"\x10x", b"\x10y"], [b"\x10"], [b"\x90\x80\x80"]])
def test_what_has_no_beginning_is_refused(payloads):
    with pytest.raises(WireError):
        vp8.depacketise(payloads)


def test_the_lowest_bit_tells_a_key_frame():
    assert vp8.is_key(b"\x10")
    assert not vp8.is_key(b"\x11")
    assert not vp8.is_key(b"")


@given(st.binary(min_size=1, max_size=5000))
def test_another_implementation_reads_and_is_read(frame):
    assert b"".join(map(vp8_depayload, vp8.packetise(frame, 7))) == frame
    assert vp8.depacketise(Vp8Encoder._packetize(frame, 7)) == frame
