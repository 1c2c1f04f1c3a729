"""Packets of one video stream, in order, to whole frames: all packets of one timestamp up to the marker.

A frame that may lack anything is dropped here, because DAVE authenticates a frame as a whole: after a gap nobody knows
whether the first packet that comes is the first of its frame, unless it says so.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Final, NamedTuple, Protocol

from clankvox.errors import WireError
from clankvox.media.video_reorder import OrderedPacket, VideoPacket
from clankvox.wire import h264, vp8
from clankvox.wire.video_codec import VideoCodec

MOST_FRAME_BYTES: Final = 8 * 1024 * 1024
MOST_NALS: Final = 10_000

_LEADING_TYPES: Final = frozenset({h264.NalType.AUD, h264.NalType.SPS})
"""A frame that has one of these begins with it (ITU-T H.264 section 7.4.1.2.3)."""


class Damage(Enum):
    """Why a frame was dropped."""

    INCOMPLETE = auto()
    MALFORMED = auto()
    OVERSIZE = auto()


class AssembledFrame(NamedTuple):
    """A whole frame, as it came."""

    data: bytes
    payloads: tuple[bytes, ...]
    """Of its RTP packets, in order."""
    timestamp: int
    arrival: float
    """Of its last packet."""
    after_loss: bool
    """Whether frames before it, since the last whole one, may be missing."""


class FrameJoiner(Protocol):
    """Joins the payloads of one frame; a new one for every frame."""

    nals: int
    whole: bool
    """Whether the frame could end here."""

    def add(self, payload: bytes, *, surely_first: bool) -> bytes | None:
        """Return what a payload adds, None if something before it is missing. Raises WireError.

        `surely_first`: no packet of the frame can precede its first one.
        """
        ...


class H264Joiner:
    """FrameJoiner by RFC 6184."""

    def __init__(self) -> None:
        self.nals = 0
        self.whole = True

    def add(self, payload: bytes, *, surely_first: bool) -> bytes | None:
        """See FrameJoiner."""
        piece = h264.depacketise(payload)
        if bool(piece.begins) != self.whole:  # a fragment without its start, or a start within a fragment
            return None
        if not self.nals and not surely_first and piece.first_type not in _LEADING_TYPES:
            return None
        self.nals += piece.begins
        self.whole = piece.ends
        return piece.data


class Vp8Joiner:
    """FrameJoiner by RFC 7741."""

    def __init__(self) -> None:
        self.nals = 0
        self.whole = True

    def add(self, payload: bytes, *, surely_first: bool) -> bytes | None:  # noqa: ARG002 - the payload says so itself
        """See FrameJoiner."""
        piece = vp8.depacketise(payload)
        if piece.begins == bool(self.nals):
            return None
        self.nals = 1
        return piece.data


JOINERS: Final[dict[VideoCodec, Callable[[], FrameJoiner]]] = {
    VideoCodec.H264: H264Joiner,
    VideoCodec.VP8: Vp8Joiner,
}


class FrameAssembler:
    """Assembles one stream. Not thread-safe. `on_damage` is called once for every frame that is dropped."""

    def __init__(self, codec: VideoCodec, on_damage: Callable[[Damage], None]) -> None:
        self._make_joiner = JOINERS[codec]
        self._on_damage = on_damage
        self._joiner: FrameJoiner | None = None
        """Of the frame that is open; None between frames."""
        self._damaged = False
        self._surely_first = False
        self._after_loss = False
        self._timestamp = 0
        self._pieces: list[bytes] = []
        self._payloads: list[bytes] = []
        self._bytes = 0

    def push(self, ordered: OrderedPacket) -> AssembledFrame | None:
        """Take the next packet; returns the frame that it completes."""
        packet = ordered.packet
        if ordered.after_gap:
            self._abandon()
            self._surely_first = False
            self._after_loss = True
        if not packet.payload:
            return None
        if self._joiner is not None and packet.timestamp != self._timestamp:
            self._abandon()
        if self._joiner is None:
            self._joiner = self._make_joiner()
            self._timestamp = packet.timestamp
        if not self._damaged:
            self._add(self._joiner, packet)
        return self._finish(self._joiner, packet) if packet.marker else None

    def _add(self, joiner: FrameJoiner, packet: VideoPacket) -> None:
        try:
            piece = joiner.add(packet.payload, surely_first=self._surely_first)
        except WireError:
            self._damage(Damage.MALFORMED)
            return
        if piece is None:
            self._damage(Damage.INCOMPLETE)
            return
        self._pieces.append(piece)
        self._payloads.append(packet.payload)
        self._bytes += len(piece)
        if self._bytes > MOST_FRAME_BYTES or joiner.nals > MOST_NALS:
            self._damage(Damage.OVERSIZE)

    def _finish(self, joiner: FrameJoiner, packet: VideoPacket) -> AssembledFrame | None:
        if not self._damaged and not joiner.whole:
            self._damage(Damage.INCOMPLETE)
        frame = None
        if not self._damaged:
            data, payloads = b"".join(self._pieces), tuple(self._payloads)
            frame = AssembledFrame(data, payloads, packet.timestamp, packet.arrival, self._after_loss)
            self._after_loss = False
        self._close()
        return frame

    def _abandon(self) -> None:
        """Drop the open frame: its end will not come."""
        if self._joiner is not None:
            if not self._damaged:
                self._damage(Damage.INCOMPLETE)
            self._close()

    def _damage(self, damage: Damage) -> None:
        self._damaged = True
        self._after_loss = True
        self._pieces.clear()
        self._payloads.clear()
        self._on_damage(damage)

    def _close(self) -> None:
        self._joiner = None
        self._damaged = False
        self._surely_first = True
        self._pieces.clear()
        self._payloads.clear()
        self._bytes = 0
