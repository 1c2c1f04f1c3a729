"""Bytes of the two pipes: lines in, length-prefixed frames out.

A frame is `u8 format | u32le payload length | payload`; format 0 is a JSON event, format 1 is captured PCM, format 2
is captured PCM with its timing. Format 2 is sent only for a capture whose `subscribe_user` said `timeline: true`, and
such a capture gets no format 1; a parent that never asks never sees it. Its payload, little-endian, begins like that
of format 1 with a capture id (which may be empty here), and has a block of its own before the PCM:

    u64 userId | u16 peak | u32 active | u32 samples | u16 n | n bytes captureId
    u16 block bytes (26, this field included; more if later versions append fields: skip what is not known)
    u8  block version (1)
    u8  origin: 0 received, 1 recovered (FEC), 2 concealed, 3 silence in a gap too long to conceal
    u16 reserved (0)
    u64 media time of the first sample | u64 arrival of its packet | u32 duration, all in 48 kHz ticks
    PCM s16le mono, samples * 2 bytes

All ticks are of one clock of the process, whatever the user, so tracks are aligned by placing each piece at its media
time. For PCM that stands in for a packet that did not come, the arrival is that of the packet behind the gap.
"""
# Nothing heavy is imported here, so that the first frame can leave before anything else is loaded.

import struct
from enum import Enum
from typing import Final, Literal, NamedTuple, TypeAlias

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
_FORMAT_TIMED_AUDIO: Final = 2
_AUDIO_HEAD: Final = struct.Struct("<BIQHII")
"""The prefix, and what both formats of captured PCM begin with."""
_TIMING: Final = struct.Struct("<HBBHQQI")
_TIMING_VERSION: Final = 1
_CAPTURE_ID_LENGTH: Final = struct.Struct("<H")


class FrameTooLarge(ClankvoxError):
    """A payload or a header value that a frame cannot carry; the frame is dropped."""

    code = "frame_too_large"


class Marker(Enum):
    """What stands in for a line that is not there."""

    TOO_LARGE = "too_large"


TOO_LARGE: Final = Marker.TOO_LARGE
Line: TypeAlias = bytes | Literal[Marker.TOO_LARGE]


class TimingBlock(NamedTuple):
    """What format 2 adds; times and the duration in 48 kHz ticks."""

    origin: int
    media_time: int
    arrival: int
    duration: int


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
    timing: TimingBlock | None = None,
) -> bytearray:
    """Return the frame of one captured piece of PCM (s16le mono at the capture's rate, `total` samples).

    `peak` is the largest magnitude (u16), `active` counts samples above the activity threshold. With a capture id
    the header carries it, without one the short header is used; `timing` makes it a frame of format 2. The frame is
    the only copy made here; whoever holds it last wipes it. Raises FrameTooLarge,
    also for numbers that do not fit their header field.
    """
    label = b"" if capture_id is None else capture_id.encode()
    if len(label) > CAPTURE_ID_LIMIT_BYTES:
        raise FrameTooLarge("capture id does not fit its header field")
    more, frame_format = b"", _FORMAT_USER_AUDIO
    try:
        if label or timing is not None:
            more = _CAPTURE_ID_LENGTH.pack(len(label)) + label
        if timing is not None:
            origin, *ticks = timing
            more += _TIMING.pack(_TIMING.size, _TIMING_VERSION, origin, 0, *ticks)
            frame_format = _FORMAT_TIMED_AUDIO
        frame_bytes = _AUDIO_HEAD.size + len(more) + memoryview(pcm).nbytes
        _check_size(frame_bytes)
        frame = bytearray(
            _AUDIO_HEAD.pack(frame_format, frame_bytes - _PREFIX.size, user_id, peak, active, total) + more
        )
    except struct.error:
        raise FrameTooLarge("a number does not fit its header field") from None
    frame += pcm  # grown before the speech is in it, and so without a second copy of that
    return frame


def _prefix(frame_format: int, payload_bytes: int) -> bytes:
    _check_size(_PREFIX.size + payload_bytes)
    return _PREFIX.pack(frame_format, payload_bytes)


def _check_size(frame_bytes: int) -> None:
    if frame_bytes >= FRAME_END_BYTES:
        raise FrameTooLarge(f"a frame of {frame_bytes} bytes is too long")
