from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clankvox.errors import WireError
from clankvox.wire.h264 import NalType, nal_type, split_annex_b
from clankvox.wire.h264_sps import BitReader, parameter_set_id, parse_sps
from tests.support.coded_video import access_units


class Bits:
    """Writes what BitReader reads."""

    def __init__(self):
        self.text = ""

    def u(self, count, value):
        self.text += f"{value:0{count}b}"
        return self

    def ue(self, value):
        size = (value + 1).bit_length()
        self.text += "0" * (size - 1) + f"{value + 1:b}"
        return self

    def rbsp(self):
        bits = self.text + "1"
        bits += "0" * (-len(bits) % 8)
        return int(bits, 2).to_bytes(len(bits) // 8, "big")

    def nal(self, header):
        """With emulation prevention (section 7.4.1)."""
        body = bytearray((header,))
        for byte in self.rbsp():
            if byte <= 3 and body[1:].endswith(b"\0\0"):
                body.append(3)
            body.append(byte)
        return bytes(body)


def baseline_sps(width, height, level=31, identifier=0):
    bits = Bits().u(8, 66).u(8, 0xC0).u(8, level).ue(identifier).ue(0).ue(2).ue(1).u(1, 0)
    bits.ue(width // 16 - 1).ue(height // 16 - 1).u(1, 1).u(1, 1).u(1, 0).u(1, 0)
    return bits.nal(0x67)


def units_of(kind, **kwargs):
    return [nal for nal in split_annex_b(access_units(1, **kwargs)[0]) if nal_type(nal) == kind]


@pytest.mark.parametrize("profile", ["baseline", "main", "high"])
@pytest.mark.parametrize(("width", "height"), [(320, 192), (322, 182), (1280, 720), (1920, 1080)])
def test_the_size_is_what_a_real_encoder_was_told(width, height, profile):
    (sps,) = units_of(NalType.SPS, width=width, height=height, profile=profile)
    read = parse_sps(sps)
    assert (read.width, read.height) == (width, height)
    assert (read.coded_width % 16, read.coded_height % 16) == (0, 0)
    assert read.coded_width - width < 16
    assert read.profile == {"baseline": 66, "main": 77, "high": 100}[profile]
    assert read.identifier == parameter_set_id(sps) == 0
    assert parameter_set_id(units_of(NalType.PPS, profile=profile)[0]) == 0


def test_a_monstrous_size_is_read_as_it_is_declared():
    read = parse_sps(baseline_sps(16384, 16384, identifier=3))
    assert (read.width, read.height, read.level, read.identifier) == (16384, 16384, 31, 3)


def test_order_offsets_interlacing_and_cropping_are_read_past():
    bits = Bits().u(8, 66).u(8, 0).u(8, 40).ue(0).ue(0).ue(1).u(1, 0).ue(3).ue(4).ue(2).ue(1).ue(2)
    bits.ue(1).u(1, 0).ue(119).ue(33).u(1, 0).u(1, 0).u(1, 1).u(1, 1).ue(0).ue(0).ue(0).ue(2).u(1, 0)
    read = parse_sps(bits.nal(0x67))
    assert (read.width, read.height, read.coded_height) == (1920, 1080, 1088)


def test_scaling_lists_are_read_past():
    bits = Bits().u(8, 100).u(8, 0).u(8, 31).ue(0).ue(1).ue(0).ue(0).u(1, 0).u(1, 1)
    bits.u(1, 1)
    for _ in range(16):
        bits.ue(1)  # delta +1
    bits.u(1, 1).ue(16)  # delta -8: the rest is the default
    bits.u(6, 0)
    bits.ue(0).ue(2).ue(1).u(1, 0).ue(39).ue(29).u(1, 1).u(1, 1).u(1, 0).u(1, 0)
    read = parse_sps(bits.nal(0x67))
    assert (read.width, read.height) == (640, 480)


@pytest.mark.parametrize(
    "nal",
    [
        b"\x67",
        b"\x67\x42\xc0\x1f",
        b"\x67\x42\xc0\x1f" + bytes(12),
        Bits().u(8, 100).u(8, 0).u(8, 31).ue(0).ue(4).nal(0x67),
        Bits().u(8, 66).u(8, 0).u(8, 31).ue(0).ue(0).ue(1).u(1, 0).ue(0).ue(0).ue(256).nal(0x67),
        Bits().u(24, 0).ue(0).ue(0).ue(2).ue(1).u(1, 0).ue(0).ue(0).u(3, 7).ue(4).ue(4).ue(0).ue(0).nal(0x67),
    ],
)
def test_a_cut_or_impossible_set_is_refused(nal):
    with pytest.raises(WireError):
        parse_sps(nal)


@pytest.mark.parametrize("nal", [Bits().u(24, 0).ue(32).nal(0x67), Bits().ue(256).nal(0x68), b"\x68"])
def test_an_impossible_id_is_refused(nal):
    with pytest.raises(WireError):
        parameter_set_id(nal)


@given(st.binary(max_size=60))
@example(bytes(59))
def test_random_bytes_raise_nothing_but_wire_error(body):
    for header in (b"\x67", b"\x68"):
        with suppress(WireError):
            parse_sps(header + body)
        with suppress(WireError):
            parameter_set_id(header + body)


@given(st.integers(0, 2**31))
def test_numbers_come_back(value):
    reader = BitReader(Bits().ue(value).ue(2 * value).ue(2 * value + 1).rbsp())
    assert (reader.ue(), reader.se(), reader.se()) == (value, -value, value + 1)
