from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.errors import WireError
from clankvox.wire import rtp

MUXABLE_PAYLOAD_TYPES = st.integers(0, 127).filter(lambda pt: not 64 <= pt <= 95)
EXTENSIONS = st.dictionaries(st.integers(1, 14), st.binary(min_size=1, max_size=16))


def header(**changes):
    fields = {"payload_type": 120, "sequence": 7, "timestamp": 960, "ssrc": 42} | changes
    return rtp.build_header(**fields)


def test_a_plain_opus_header_is_the_documented_twelve_bytes():
    assert header().hex() == "80780007000003c00000002a"


def test_a_header_with_extensions_has_the_preamble_in_clear():
    built = header(marker=True, padding=True, extension_words=1)
    assert built.hex() == "b0f80007000003c00000002abede0001"


@given(
    payload_type=MUXABLE_PAYLOAD_TYPES,
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFF_FFFF),
    ssrc=st.integers(0, 0xFFFF_FFFF),
    marker=st.booleans(),
    padding=st.booleans(),
    extension_words=st.none() | st.integers(0, 50),
)
def test_a_built_header_parses_to_what_it_was_built_from(extension_words, padding, **fields):
    datagram = rtp.build_header(**fields, padding=padding, extension_words=extension_words) + bytes(200)
    assert rtp.is_rtp(datagram)
    assert not rtp.is_rtcp(datagram)
    assert rtp.parse_header(datagram) == rtp.RtpHeader(
        **fields,
        has_padding=padding,
        clear_bytes=12 if extension_words is None else 16,
        extension_bytes=4 * (extension_words or 0),
    )


def test_csrcs_belong_to_the_clear_part():
    with_csrcs = bytes([0x93]) + header(extension_words=1)[1:12] + bytes(12) + b"\xbe\xde\x00\x02" + bytes(8)
    parsed = rtp.parse_header(with_csrcs)
    assert (parsed.clear_bytes, parsed.extension_bytes) == (28, 8)


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        header()[:11],
        b"\x00" + header()[1:],
        b"\x40" + header()[1:],
        b"\xc0" + header()[1:],
        b"\x80\xc8" + header()[2:],
        b"\x81" + header()[1:],
        b"\x8f" + header()[1:] + bytes(59),
        header(extension_words=0)[:15],
        header(extension_words=1)[:14],
        header(extension_words=1) + bytes(3),
        header(extension_words=0xFFFF) + bytes(1000),
    ],
)
def test_a_header_that_is_not_whole_or_not_rtp_is_refused(datagram):
    with pytest.raises(WireError):
        rtp.parse_header(datagram)


@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda tail: b"\x9f" + tail))
def test_random_bytes_raise_nothing_but_wire_error(datagram):
    with suppress(WireError):
        parsed = rtp.parse_header(datagram)
        assert parsed.clear_bytes + parsed.extension_bytes <= len(datagram)
        rtp.strip(parsed, datagram[parsed.clear_bytes :])


@given(EXTENSIONS, st.binary(max_size=100), st.integers(0, 255))
def test_strip_returns_the_payload_from_between_extensions_and_padding(elements, payload, padding):
    body = rtp.build_extensions(elements)
    datagram = header(padding=padding > 0, extension_words=len(body) // 4) + body
    datagram += rtp.pad(payload, padding) if padding else payload
    parsed = rtp.parse_header(datagram)
    assert rtp.strip(parsed, datagram[parsed.clear_bytes :]) == payload


def test_a_packet_of_padding_only_has_an_empty_payload():
    parsed = rtp.parse_header(header(padding=True, extension_words=1) + bytes(4) + rtp.pad(b"", 9))
    assert rtp.strip(parsed, bytes(4) + rtp.pad(b"", 9)) == b""


@pytest.mark.parametrize("plaintext", [b"", b"\x00\x00\x00\x00abc\x00", b"\x00\x00\x00\x00\x05", b"\x00\x00\x00\x04"])
def test_padding_that_is_zero_or_eats_the_extension_body_is_refused(plaintext):
    parsed = rtp.parse_header(header(padding=True, extension_words=1) + bytes(4))
    with pytest.raises(WireError):
        rtp.strip(parsed, plaintext)


def test_a_plaintext_shorter_than_its_extension_body_is_refused():
    parsed = rtp.parse_header(header(extension_words=2) + bytes(8))
    with pytest.raises(WireError):
        rtp.strip(parsed, bytes(7))


@pytest.mark.parametrize("payload_type", [-1, 64, 72, 95, 128])
def test_payload_types_that_would_read_as_rtcp_are_not_built(payload_type):
    with pytest.raises(ValueError):
        header(payload_type=payload_type)


@pytest.mark.parametrize("total", [0, 256, -1])
def test_padding_of_an_impossible_length_is_not_built(total):
    with pytest.raises(ValueError):
        rtp.pad(b"payload", total)


@pytest.mark.parametrize("packet_type", [192, 200, 201, 205, 206, 223])
def test_rtcp_is_told_by_its_second_byte(packet_type):
    datagram = bytes((0x81, packet_type)) + bytes(30)
    assert rtp.is_rtcp(datagram)
    assert not rtp.is_rtp(datagram)


@pytest.mark.parametrize(
    "datagram", [b"", b"\x80", b"\x80\xc8\x00\x01\x00\x00\x00\x00", bytes(74), bytes.fromhex("1337cafe01000000")]
)
def test_keepalives_discovery_and_pings_are_neither_rtp_nor_rtcp(datagram):
    assert not rtp.is_rtp(datagram)
    assert not rtp.is_rtcp(datagram)


def test_extensions_are_the_documented_bytes():
    body = rtp.build_extensions({5: b"\x00\x00"})
    assert body.hex() == "51000000"
    assert rtp.parse_extensions(body) == {5: b"\x00\x00"}


@given(EXTENSIONS)
def test_built_extensions_parse_to_what_they_were_built_from(elements):
    body = rtp.build_extensions(elements)
    assert len(body) % 4 == 0
    assert rtp.parse_extensions(body) == elements


def test_extension_parsing_keeps_what_came_before_a_stop_or_a_cut():
    assert rtp.parse_extensions(bytes.fromhex("00 10 aa f0 20 bb")) == {1: b"\xaa"}
    assert rtp.parse_extensions(bytes.fromhex("10 aa 0000 32 bb cc")) == {1: b"\xaa"}


@given(st.binary(max_size=64))
def test_extension_parsing_never_raises(body):
    assert all(1 <= identifier <= 14 for identifier in rtp.parse_extensions(body))


@pytest.mark.parametrize("elements", [{0: b"x"}, {15: b"x"}, {1: b""}, {1: bytes(17)}])
def test_extensions_outside_the_one_byte_form_are_not_built(elements):
    with pytest.raises(ValueError):
        rtp.build_extensions(elements)
