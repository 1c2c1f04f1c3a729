"""What a sequence parameter set declares (ITU-T H.264 section 7.3.2.1.1): read before a decoder believes it."""

from typing import Final, NamedTuple

from clankvox.errors import WireError

_HEADER_BYTES: Final = 1
_LONGEST_GOLOMB: Final = 32
_MOST_POC_OFFSETS: Final = 255
_MACROBLOCK: Final = 16
_LARGEST_ID: Final = {7: 31, 8: 255}
_EXTENDED_PROFILES: Final = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})
"""Profiles whose parameter sets describe chroma and scaling lists."""


class SequenceParameters(NamedTuple):
    """The shape of a stream. Width and height are of the visible picture, in pixels."""

    identifier: int
    profile: int
    level: int
    """Ten times the level: 31 is level 3.1."""
    width: int
    height: int
    coded_width: int
    """In whole macroblocks, what a decoder allocates."""
    coded_height: int


class BitReader:
    """Reads an RBSP from its first bit on. WireError past its end."""

    def __init__(self, rbsp: bytes) -> None:
        self._bits = int.from_bytes(rbsp, "big")
        self._left = 8 * len(rbsp)

    def u(self, count: int) -> int:
        """Read `count` bits as a number."""
        self._left -= count
        if self._left < 0:
            raise WireError("parameter set that ends too early")
        return self._bits >> self._left & (1 << count) - 1

    def ue(self) -> int:
        """Read an unsigned Exp-Golomb number (section 9.1)."""
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > _LONGEST_GOLOMB:
                raise WireError("a number longer than 32 bits")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """Read a signed Exp-Golomb number."""
        number = self.ue()
        return (number + 1) // 2 if number % 2 else -(number // 2)


def parse_sps(nal: bytes) -> SequenceParameters:
    """Read a NAL unit of type 7. WireError if it ends too early or holds impossible numbers."""
    reader = BitReader(_rbsp(nal))
    profile, _, level = reader.u(8), reader.u(8), reader.u(8)
    identifier = reader.ue()
    chroma_format = _read_chroma(reader) if profile in _EXTENDED_PROFILES else 1
    _skip_to_size(reader)
    macroblocks_wide, map_units_high = reader.ue() + 1, reader.ue() + 1
    frames_only = reader.u(1)
    if not frames_only:
        reader.u(1)
    reader.u(1)
    coded_width, coded_height = _MACROBLOCK * macroblocks_wide, _MACROBLOCK * map_units_high * (2 - frames_only)
    width, height = coded_width, coded_height
    if reader.u(1):
        unit_x = 2 if chroma_format in {1, 2} else 1
        unit_y = (2 if chroma_format == 1 else 1) * (2 - frames_only)
        width -= unit_x * (reader.ue() + reader.ue())
        height -= unit_y * (reader.ue() + reader.ue())
    if width <= 0 or height <= 0:
        raise WireError("nothing of the picture is visible")
    return SequenceParameters(identifier, profile, level, width, height, coded_width, coded_height)


def parameter_set_id(nal: bytes) -> int:
    """Return the id that a sequence (type 7) or picture (type 8) parameter set is known by. WireError."""
    kind = nal[0] & 0x1F
    reader = BitReader(_rbsp(nal[:16]))
    if kind == 7:
        reader.u(24)
    identifier = reader.ue()
    if identifier > _LARGEST_ID[kind]:
        raise WireError("a parameter set with an impossible id")
    return identifier


def _rbsp(nal: bytes) -> bytes:
    """Payload without emulation prevention (section 7.4.1)."""
    return nal[_HEADER_BYTES:].replace(b"\x00\x00\x03", b"\x00\x00")


def _read_chroma(reader: BitReader) -> int:
    """Read the chroma format; scaling lists and the rest of the extended profiles' fields are skipped."""
    chroma_format = reader.ue()
    if chroma_format > 3:
        raise WireError("no such chroma format")
    if chroma_format == 3:
        reader.u(1)
    reader.ue()
    reader.ue()
    reader.u(1)
    if reader.u(1):
        for index in range(8 if chroma_format != 3 else 12):
            if reader.u(1):
                _skip_scaling_list(reader, 16 if index < 6 else 64)
    return chroma_format


def _skip_scaling_list(reader: BitReader, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + reader.se()) % 256
        last = following or last


def _skip_to_size(reader: BitReader) -> None:
    reader.ue()
    order_type = reader.ue()
    if order_type == 0:
        reader.ue()
    elif order_type == 1:
        reader.u(1)
        reader.se()
        reader.se()
        offsets = reader.ue()
        if offsets > _MOST_POC_OFFSETS:
            raise WireError("more picture order offsets than there can be")
        for _ in range(offsets):
            reader.se()
    reader.ue()
    reader.u(1)
