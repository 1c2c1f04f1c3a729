"""Bytes of the two pipes: lines in, length-prefixed frames out.

A frame is `u8 format | u32le payload length | payload`; format 0 is a JSON event, format 1 is captured PCM.
This module imports nothing heavy, so that the first frame can leave before anything else is loaded.
"""

import struct
from enum import Enum
from typing import Final, Literal, TypeAlias

from clankvox.errors import ClankvoxError
from clankvox.ids import CaptureId, UserId

LINE_LIMIT_BYTES: Final = 8 * 1024 * 1024
"""Longest accepted line, newline excluded."""
FRAME_END_BYTES: Final = 32 * 1024 * 1024
"""Every frame is shorter than this, prefix included; parents take more for a lost sync."""
CAPTURE_ID_LIMIT_BYTES: Final = 0xFFFF

_PREFIX: Final = struct.Struct("<BI")
_FORMAT_JSON: Final = 0
_FORMAT_USER_AUDIO: Final = 1
_USER_AUDIO: Final = struct.Struct("<QHII")
_CAPTURE_ID_LENGTH: Final = struct.Struct("<H")


class FrameTooLarge(ClankvoxError):
    """A payload or a header value that a frame cannot carry; the frame is dropped."""

    code = "frame_too_large"


class Marker(Enum):
    """What stands in for a line that is not there."""

    TOO_LARGE = "too_large"


TOO_LARGE: Final = Marker.TOO_LARGE
Line: TypeAlias = bytes | Literal[Marker.TOO_LARGE]


class LineSplitter:
    """Cuts a byte stream into lines of at most `LINE_LIMIT_BYTES`; a longer one is never buffered.

    Blank lines vanish, surrounding whitespace (so also CR) is trimmed, an oversized line becomes TOO_LARGE.
    After the stream has ended you must call `finish`. Not thread-safe: the reader's thread owns it.
    """

    __slots__ = ("_length", "_parts")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0  # of the line so far, also while it is being discarded

    def feed(self, chunk: bytes) -> list[Line]:
        """Return the lines that `chunk` completes, in order."""
        *ends, tail = chunk.split(b"\n")
        lines: list[Line] = []
        for end in ends:
            self._extend(end)
            lines.extend(self.finish())
        self._extend(tail)
        return lines

    def finish(self) -> list[Line]:
        """Return the unterminated tail, if any, as the last line, and start afresh."""
        too_large = self._length > LINE_LIMIT_BYTES
        line = b"".join(self._parts).strip()
        self._parts.clear()
        self._length = 0
        if too_large:
            return [TOO_LARGE]
        return [line] if line else []

    def _extend(self, part: bytes) -> None:
        self._length += len(part)
        if self._length > LINE_LIMIT_BYTES:
            self._parts.clear()
        elif part:
            self._parts.append(part)


def frame_json(payload: bytes) -> bytes:
    """Return the frame of a JSON event. Raises FrameTooLarge."""
    return _prefix(_FORMAT_JSON, len(payload)) + payload


def frame_user_audio(
    user_id: UserId,
    capture_id: CaptureId | None,
    pcm: bytes | bytearray | memoryview,
    peak: int,
    active: int,
    total: int,
) -> bytearray:
    """Return the frame of one captured piece of PCM (s16le mono at the capture's rate, `total` samples).

    `peak` is the largest magnitude (u16), `active` counts samples above the activity threshold. With a capture id
    the header carries it, without one the short header is used. The frame is the only copy made here; whoever
    holds it last wipes it. Raises FrameTooLarge, also for numbers that do not fit their header field.
    """
    label = b"" if capture_id is None else capture_id.encode()
    if len(label) > CAPTURE_ID_LIMIT_BYTES:
        raise FrameTooLarge("capture id does not fit its header field")
    try:
        header = _USER_AUDIO.pack(user_id, peak, active, total)
    except struct.error:
        raise FrameTooLarge("a number does not fit its header field") from None
    if label:
        header += _CAPTURE_ID_LENGTH.pack(len(label)) + label
    samples = memoryview(pcm).cast("B")
    head = _prefix(_FORMAT_USER_AUDIO, len(header) + len(samples)) + header
    frame = bytearray(len(head) + len(samples))
    with memoryview(frame) as view:  # a bytearray would copy what it is assigned
        view[: len(head)] = head
        view[len(head) :] = samples
    return frame


def _prefix(frame_format: int, payload_bytes: int) -> bytes:
    if _PREFIX.size + payload_bytes >= FRAME_END_BYTES:
        raise FrameTooLarge(f"a payload of {payload_bytes} bytes does not fit a frame")
    return _PREFIX.pack(frame_format, payload_bytes)
