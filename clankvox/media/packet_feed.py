"""Packets of one stream, each only once a later one has proven that it arrived whole.

A demuxer hands over what it has of a packet when the connection breaks in the middle of it, and a decoder may make
sound of that. So a packet is kept until the next one comes, or until the end of the file is known to be the end.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import av
from av.container import InputContainer

from clankvox.media.source_fault import PipelineFailed

AudioPacket: TypeAlias = "av.Packet[av.AudioStream]"

_DIGEST_PACKETS: Final = 8
_LARGEST_GAP_S: Final = 120.0
_SMALLEST_GAP_S: Final = 0.030


class GapFound(PipelineFailed):
    """A segment of an HLS stream is missing, or a part of one; `end_pts` is where the stream went on."""

    def __init__(self, end_pts: int) -> None:
        super().__init__("a part of the stream is missing")
        self.end_pts = end_pts


class PacketFeed:
    """Wraps `container.demux`. Blocks as that does and raises what that raises. Not thread-safe."""

    def __init__(
        self,
        container: InputContainer,
        stream: av.AudioStream,
        whole: Callable[[], bool],
        tolerated: frozenset[int] | None,
    ) -> None:
        """`whole` tells at the end whether every response was complete, as far as anybody knows.

        FFmpeg leaves out what it could not read of an HLS segment; GapFound is raised where that shows, but not for
        gaps that end at one of the `tolerated` time stamps. None: the stream may jump as it likes.
        """
        self._packets: Iterator[AudioPacket] = container.demux(stream)
        self._whole = whole
        self._tolerated = tolerated
        self._waiting: deque[AudioPacket] = deque()
        self._ended = False
        self._next_pts: int | None = None
        self._after_gap: AudioPacket | None = None
        self.leapt = False
        """Whether the packet that `next` returned lies behind a gap that is tolerated."""

    def next(self) -> "AudioPacket | None":
        """Return the next packet that is whole; None at the end."""
        while len(self._waiting) < 2 and not self._ended:
            self._pull()
        if not self._waiting:
            return None
        packet = self._waiting.popleft()
        self.leapt = packet is self._after_gap
        return packet

    def digest(self) -> bytes:
        """Digest of the next few packets, which stay: equal ones begin the same file."""
        while len(self._waiting) < _DIGEST_PACKETS and not self._ended:
            self._pull()
        return hashlib.blake2b(b"".join(bytes(packet) for packet in self._waiting)).digest()

    def _pull(self) -> None:
        packet = next(self._packets, None)
        if packet is None or packet.size == 0:
            self._end()
            return
        self._look_for_gap(packet)
        self._waiting.append(packet)

    def _end(self) -> None:
        if not self._whole():
            raise PipelineFailed("the server ended its response too early")
        self._ended = True
        if self._waiting and self._waiting[-1].is_corrupt and not _is_pcm(self._waiting[-1]):
            self._waiting.pop()  # the file itself was cut there

    def _look_for_gap(self, packet: AudioPacket) -> None:
        expected, begin = self._next_pts, packet.pts
        self._next_pts = None if begin is None or not packet.duration else begin + packet.duration
        if self._tolerated is None or expected is None or begin is None or packet.time_base is None:
            return
        gap_s = (begin - expected) * packet.time_base
        if _SMALLEST_GAP_S < gap_s < _LARGEST_GAP_S:
            if begin not in self._tolerated:
                raise GapFound(begin)
            self._after_gap = packet


def _is_pcm(packet: AudioPacket) -> bool:
    """Whether any part of the packet is sound: a WAV that was written to a pipe does not know its length."""
    return packet.stream.codec_context.name.startswith("pcm_")
