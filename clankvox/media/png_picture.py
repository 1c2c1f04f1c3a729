"""PNG pictures from a browser, read with distrust: what they declare is checked before anything is decoded.

Only the chunks that make the picture reach the decoder: compressed text and profiles (zTXt, iTXt, iCCP) could
inflate to gigabytes (W3C PNG, section 11), and nobody would see them.
"""

import struct
import zlib
from typing import Final, NamedTuple

from av.codec.context import CodecContext
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from clankvox.errors import CodecError

MAX_PNG_BYTES: Final = 6_291_456
MAX_SIDE: Final = 4_096
MAX_PIXELS: Final = 3_840 * 2_160
_MAX_CHUNKS: Final = 4_096
"""An IDAT of the usual encoders has 8 KiB: 768 of them fill the largest picture."""
_SLACK_BYTES: Final = 65_536
_INFLATE_BYTES: Final = 1_048_576

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_CHUNK: Final = struct.Struct("!I4s")
_HEADER: Final = struct.Struct("!IIBBBBB")
_CRC_BYTES: Final = 4
_KEPT: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By colour type (section 11.2.1)."""


class PngRefused(CodecError):
    """Not a PNG picture that may be decoded; the text says why and is fit for the parent."""

    code = "png_refused"


class CheckedPng(NamedTuple):
    """A PNG whose declarations are within the limits, reduced to what makes its picture."""

    chunks: tuple[bytes, ...]
    """The signature, then whole chunks."""
    raw_bytes: int
    """Size of the picture before compression, as declared."""

    @property
    def data(self) -> bytes:
        """The reduced PNG."""
        return b"".join(self.chunks)

    def inflates_as_declared(self) -> bool:
        """Whether the compressed data is no larger than the picture; FFmpeg would inflate all of it (6 GB in 29 s)."""
        inflater = zlib.decompressobj()
        allowed = self.raw_bytes + _SLACK_BYTES
        try:
            for chunk in self.chunks[1:]:
                if chunk[4:8] != b"IDAT":
                    continue
                pending = chunk[_CHUNK.size : -_CRC_BYTES]
                while pending:
                    allowed -= len(inflater.decompress(pending, _INFLATE_BYTES))
                    pending = inflater.unconsumed_tail
                    if allowed < 0:
                        return False
        except zlib.error:
            return False
        return True


def checked_png(png: bytes) -> CheckedPng:
    """Return the PNG with only the chunks that make its picture. Raises PngRefused; decodes nothing."""
    if len(png) > MAX_PNG_BYTES:
        raise PngRefused(f"too_large:{len(png)}")
    if not png.startswith(_SIGNATURE):
        raise PngRefused("not a PNG")
    kept = [_SIGNATURE]
    data_bytes = 0
    for kind, chunk in _chunks(png):
        if len(kept) == 1 and kind != b"IHDR":
            raise PngRefused("PNG without a header")
        if kind in _KEPT:
            kept.append(chunk)
            data_bytes += len(chunk) * (kind == b"IDAT")
    if len(kept) == 1 or not data_bytes:
        raise PngRefused("PNG without a picture")
    raw_bytes = _raw_bytes(kept[1])
    if data_bytes > raw_bytes + _SLACK_BYTES:
        raise PngRefused("PNG with more data than its picture has")
    return CheckedPng(tuple(kept), raw_bytes)


class PngDecoder:
    """One decoder for a sequence of PNG pictures of any sizes. Not thread-safe; decoding releases the GIL."""

    def __init__(self) -> None:
        context = CodecContext.create("png", "r")
        assert isinstance(context, VideoCodecContext)  # noqa: S101 - what PyAV makes of a picture codec
        context.thread_count = 1
        self._context = context

    def decode(self, png: CheckedPng) -> VideoFrame:
        """Decode `png`. PngRefused if it is damaged, or inflates beyond its picture; the next one works."""
        if not png.inflates_as_declared():
            raise PngRefused("damaged PNG")
        packet = Packet(png.data)
        packet.is_keyframe = True  # else FFmpeg adds the picture to the one before
        try:
            frames = self._context.decode(packet)
        except (FFmpegError, ValueError) as error:
            raise PngRefused("damaged PNG") from error
        if len(frames) != 1:
            raise PngRefused("damaged PNG")
        return frames[0]


def _chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    """Return type and bytes of each chunk up to IEND, which need not be there."""
    chunks: list[tuple[bytes, bytes]] = []
    offset = len(_SIGNATURE)
    while offset + _CHUNK.size <= len(png):
        size, kind = _CHUNK.unpack_from(png, offset)
        end = offset + _CHUNK.size + size + _CRC_BYTES
        if end > len(png):
            raise PngRefused("truncated PNG")
        chunks.append((kind, png[offset:end]))
        if len(chunks) > _MAX_CHUNKS:
            raise PngRefused("PNG in too many chunks")
        if kind == b"IEND":
            break
        offset = end
    return chunks


def _raw_bytes(header_chunk: bytes) -> int:
    """Size of the decoded picture; PngRefused if it is over the limits or no size at all."""
    if len(header_chunk) != _CHUNK.size + _HEADER.size + _CRC_BYTES:
        raise PngRefused("PNG with a damaged header")
    width: int
    height: int
    depth: int
    colour_type: int
    width, height, depth, colour_type, *_ = _HEADER.unpack_from(header_chunk, _CHUNK.size)
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and width * height <= MAX_PIXELS):
        raise PngRefused(f"picture_too_large:{width}x{height}")
    row_bytes = 1 + -(-width * depth * _CHANNELS.get(colour_type, 4) // 8)
    return row_bytes * height
