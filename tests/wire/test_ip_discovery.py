from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.errors import WireError
from clankvox.wire import ip_discovery as discovery

SSRCS = st.integers(0, 0xFFFF_FFFF)
GOOD_REPLY = discovery.build_reply(42, "203.0.113.9", 50_000)


def with_field(offset, data):
    return GOOD_REPLY[:offset] + data + GOOD_REPLY[offset + len(data) :]


def test_a_request_is_the_documented_74_bytes():
    assert discovery.build_request(42).hex() == "000100460000002a" + "00" * 66


def test_a_reply_is_the_documented_74_bytes():
    assert GOOD_REPLY.hex() == "000200460000002a" + b"203.0.113.9".hex() + "00" * 53 + "c350"


@given(SSRCS)
def test_a_built_request_parses_to_its_ssrc(ssrc):
    assert discovery.parse_request(discovery.build_request(ssrc)) == ssrc


@given(SSRCS, st.ip_addresses().map(str), st.integers(1, 0xFFFF))
def test_a_built_reply_parses_to_its_address_ipv4_or_ipv6(ssrc, address, port):
    assert discovery.parse_reply(discovery.build_reply(ssrc, address, port), ssrc) == (address, port)


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        GOOD_REPLY[:-1],
        GOOD_REPLY + b"\x00",
        discovery.build_request(42),
        with_field(2, b"\x00\x47"),
        with_field(4, b"\x00\x00\x00\x2b"),
        with_field(8, b"\x00"),
        with_field(8, b"999"),
        with_field(8, b"\xff\xfe"),
        with_field(8, b"a" * 64),
        with_field(72, b"\x00\x00"),
    ],
)
def test_a_reply_that_answers_something_else_or_names_no_address_is_refused(datagram):
    with pytest.raises(WireError):
        discovery.parse_reply(datagram, 42)


def test_a_reply_is_no_request():
    with pytest.raises(WireError):
        discovery.parse_request(GOOD_REPLY)


@given(st.binary(max_size=90) | st.binary(min_size=66, max_size=66).map(lambda tail: GOOD_REPLY[:8] + tail))
def test_random_bytes_raise_nothing_but_wire_error(datagram):
    with suppress(WireError):
        discovery.parse_reply(datagram, 42)
    with suppress(WireError):
        discovery.parse_request(datagram)
    discovery.parse_ping(datagram)
    discovery.parse_pong(datagram)


def test_ping_and_pong_count_little_endian():
    assert discovery.build_ping(1).hex() == "1337cafe01000000"
    assert discovery.build_pong(1).hex() == "1337f00d01000000"


@given(SSRCS)
def test_ping_and_pong_return_their_counter_and_not_each_others(counter):
    ping, pong = discovery.build_ping(counter), discovery.build_pong(counter)
    assert (discovery.parse_ping(ping), discovery.parse_pong(ping)) == (counter, None)
    assert (discovery.parse_ping(pong), discovery.parse_pong(pong)) == (None, counter)
    assert discovery.parse_ping(ping + b"\x00") is None
    assert discovery.parse_pong(pong[:-1]) is None
