import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.wire.dave_frame import is_dave_frame

TAG = bytes(8)


def frame(body=b"body", numbers=b"\x00", size=None):
    trailer = TAG + numbers
    return body + trailer + bytes([len(trailer) + 3 if size is None else size]) + b"\xfa\xfa"


@pytest.mark.parametrize(
    "good",
    [
        frame(),
        frame(b""),
        frame(numbers=b"\xff\xff\xff\xff\x0f"),
        frame(b"abcdef", b"\x05\x00\x02"),
        frame(b"abcdef", b"\x05\x00\x02\x02\x04"),
    ],
)
def test_a_whole_trailer_is_recognised(good):
    assert is_dave_frame(good)


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\xfa\xfa",
        b"\xf8\xff\xfe",
        frame()[:-1],
        frame(size=10),
        frame(size=200),
        frame(numbers=b""),
        frame(numbers=b"\x80"),
        frame(numbers=b"\x00\x01"),
        frame(numbers=b"\xff\xff\xff\xff\x1f"),
        frame(b"abc", b"\x00\x02\x02"),
        frame(b"abcdef", b"\x00\x03\x01\x02\x02"),
    ],
)
def test_what_is_broken_is_not(bad):
    assert not is_dave_frame(bad)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=64), st.booleans())
def test_no_bytes_raise(data, marked):
    assert is_dave_frame(data + b"\xfa\xfa" if marked else data) in (True, False)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 2**32 - 1))
def test_every_nonce_of_32_bits_is_read(body, nonce):
    encoded = b""
    while nonce >= 0x80:
        encoded += bytes([nonce & 0x7F | 0x80])
        nonce >>= 7
    assert is_dave_frame(frame(body, encoded + bytes([nonce])))
