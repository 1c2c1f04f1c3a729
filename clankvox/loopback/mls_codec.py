"""MLS presentation language (RFC 9420 section 2.1): variable-size vectors and a bounds-checked reader."""

from typing import Final

from clankvox.errors import WireError

_ONE_BYTE_LIMIT: Final = 1 << 6
_TWO_BYTE_LIMIT: Final = 1 << 14
_FOUR_BYTE_LIMIT: Final = 1 << 30


def u16(value: int) -> bytes:
    """Encode a uint16."""
    return value.to_bytes(2, "big")


def u32(value: int) -> bytes:
    """Encode a uint32."""
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    """Encode a uint64."""
    return value.to_bytes(8, "big")


def vector(content: bytes) -> bytes:
    """Encode `content` as V<..>: a 1, 2 or 4 byte length of bytes, then the bytes (RFC 9420 section 2.1.2)."""
    size = len(content)
    if size < _ONE_BYTE_LIMIT:
        return size.to_bytes(1, "big") + content
    if size < _TWO_BYTE_LIMIT:
        return (size | 0x4000).to_bytes(2, "big") + content
    if size < _FOUR_BYTE_LIMIT:
        return (size | 0x8000_0000).to_bytes(4, "big") + content
    raise WireError("MLS vector of 2^30 bytes or more")


class Reader:
    """A cursor over MLS bytes; whatever is short, over-long or not minimal raises WireError."""

    __slots__ = ("_data", "position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def since(self, start: int) -> bytes:
        """Bytes from `start` up to the cursor, for signatures over what was just read."""
        return self._data[start : self.position]

    def rest(self) -> bytes:
        """Return all that is left and move to the end."""
        return self.take(len(self._data) - self.position)

    @property
    def exhausted(self) -> bool:
        """Whether every byte was read."""
        return self.position == len(self._data)

    def finish(self) -> None:
        """Raise WireError unless every byte was read."""
        if not self.exhausted:
            raise WireError("bytes after the end of an MLS structure")

    def take(self, size: int) -> bytes:
        """Read `size` bytes."""
        end = self.position + size
        if end > len(self._data):
            raise WireError("MLS structure is cut short")
        taken = self._data[self.position : end]
        self.position = end
        return taken

    def uint(self, size: int) -> int:
        """Read a big-endian unsigned integer of `size` bytes."""
        return int.from_bytes(self.take(size), "big")

    def expect(self, size: int, value: int, what: str) -> None:
        """Read an integer of `size` bytes that has to be `value`."""
        if self.uint(size) != value:
            raise WireError(f"MLS {what} is not {value}")

    def vector(self) -> bytes:
        """Read one V<..>. Lengths that are not minimal are refused (RFC 9420 section 2.1.2)."""
        first = self.uint(1)
        width = 1 << (first >> 6)
        if width == 8:
            raise WireError("illegal MLS vector length prefix")
        size = (first & 0x3F) << (8 * (width - 1)) | self.uint(width - 1)
        if width > 1 and size < (_ONE_BYTE_LIMIT if width == 2 else _TWO_BYTE_LIMIT):
            raise WireError("MLS vector length is not minimal")
        return self.take(size)

    def uint16_list(self) -> tuple[int, ...]:
        """Read a V<uint16 ...>."""
        inner = Reader(self.vector())
        values = []
        while not inner.exhausted:
            values.append(inner.uint(2))
        return tuple(values)
