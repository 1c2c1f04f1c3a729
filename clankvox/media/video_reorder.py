"""The reorder window of one video SSRC: packets in, in sequence out, waiting for retransmissions.

In order it adds no delay. A gap holds back what follows for 250 ms or 1,024 packets, while it is asked for; then it
is declared lost. Where nothing that is asked for ever comes it is for 60 ms only. There is no playout delay: who looks
at pictures wants each of them as soon as it is whole.
"""

from enum import Enum, auto
from typing import Final, NamedTuple

from clankvox.media.given_up import FARTHEST_PACKETS, GivenUp
from clankvox.media.nack import NackTracker
from clankvox.wire.seq import seq_delta

PATIENCE_S: Final = 0.250
HOPELESS_PATIENCE_S: Final = 0.060
"""For a peer that repeats nothing: only what was overtaken on the way is worth waiting for."""
MOST_WAITING: Final = 1_024
_HOPELESS_PACKETS: Final = 8
"""So many given up in a row, and none that came back, show such a peer."""
_CONFIRMING_PACKETS: Final = 16
"""A packet this close behind a stray one shows that the sender did begin anew."""
_STALE_RUN: Final = 100
"""So many packets in a row from before what was passed on are no late ones: the sender began anew a little behind."""
_FIRST_EPOCH: Final = 1 << 16
_SEQUENCE_MASK: Final = 0xFFFF


class VideoPacket(NamedTuple):
    """An RTP packet of a video stream, its payload freed of extension, padding and RTX header."""

    payload: bytes
    """Empty if the packet was padding only."""
    sequence: int
    timestamp: int
    marker: bool
    arrival: float


class OrderedPacket(NamedTuple):
    """A packet in its turn."""

    packet: VideoPacket
    after_gap: bool
    """What came right before it is not known: packets were given up, or the sender begins here."""


class Taken(Enum):
    """What became of a packet."""

    FITS = auto()
    LATE = auto()
    DUPLICATE = auto()
    STRAY = auto()
    """Far from all others: kept until another one shows that the sender began anew."""
    RESTART = auto()
    """The sender did begin anew, here or with the stray packet before."""


class VideoReorderWindow:
    """Orders one stream: `push`, then `drain` what is due and send `nacks`. Not thread-safe."""

    def __init__(self) -> None:
        self.lost = 0
        """Packets given up so far, and those dropped that waited when the sender began anew."""
        self._waiting: dict[int, VideoPacket] = {}
        self._given_up = GivenUp()
        self._nacks = NackTracker()
        self._after_gap = True
        self._highest: int | None = None
        self._next = 0
        self._impatient_before = 0
        """Gaps before this index are not worth waiting for."""
        self._unrepaired = 0
        """Packets given up since one came that had been asked for."""
        self._stray: VideoPacket | None = None
        self._stale_run = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def push(self, packet: VideoPacket) -> Taken:
        """Take a packet of the media stream."""
        if self._highest is None:
            self._begin(packet)
            return Taken.FITS
        ahead = seq_delta(packet.sequence, self._highest & _SEQUENCE_MASK)
        if abs(ahead) > FARTHEST_PACKETS:
            return self._on_stray(packet)
        return self._place(self._highest + ahead, self._highest, packet)

    def repair(self, packet: VideoPacket) -> Taken:
        """Take a retransmission; it FITS only where it is still missed."""
        if self._highest is None:
            return Taken.LATE
        index = self._highest + seq_delta(packet.sequence, self._highest & _SEQUENCE_MASK)
        self._unrepaired = 0
        if index in self._nacks:
            return self._place(index, self._highest, packet)
        return Taken.LATE if index in self._given_up else Taken.DUPLICATE

    def drain(self, now: float) -> list[OrderedPacket]:
        """Take all that is in turn, or whose predecessors have kept it waiting long enough."""
        released = []
        while self._waiting:
            packet = self._waiting.pop(self._next, None)
            if packet is None:
                if not self._is_over(now):
                    break
                self._skip_to(min(self._waiting))
                continue
            released.append(OrderedPacket(packet, self._after_gap))
            self._after_gap = False
            self._next += 1
        return released

    def nacks(self, now: float) -> list[int]:
        """Return the sequence numbers to ask for now."""
        return [index & _SEQUENCE_MASK for index in self._nacks.due(now)]

    @property
    def deadline(self) -> float | None:
        """When to drain or ask again; None if nothing is missing."""
        next_due = self._nacks.next_due
        since = self._nacks.since(self._next)
        if next_due is None or since is None:
            return next_due
        return min(next_due, since + self._patience_s)

    @property
    def _patience_s(self) -> float:
        return PATIENCE_S if self._unrepaired < _HOPELESS_PACKETS else HOPELESS_PATIENCE_S

    def _drop_all(self) -> None:
        """Forget what was, because the sender began anew."""
        self.lost += len(self._nacks) + len(self._waiting)
        self._waiting.clear()
        self._given_up.clear()
        self._nacks = NackTracker()
        self._impatient_before = 0
        self._stray = None
        self._stale_run = 0

    def _begin(self, packet: VideoPacket) -> None:
        index = packet.sequence + _FIRST_EPOCH
        self._highest = self._next = index
        self._waiting[index] = packet
        self._after_gap = True

    def _place(self, index: int, highest: int, packet: VideoPacket) -> Taken:
        self._stray = None
        if index < self._next:
            return self._on_stale(index, packet)
        self._stale_run = 0
        if index in self._waiting:
            return Taken.DUPLICATE
        if index > highest:
            if not self._nacks.miss(range(highest + 1, index), packet.arrival):
                self._impatient_before = index
            self._highest = index
        elif self._nacks.found(index):
            self._unrepaired = 0
        self._waiting[index] = packet
        return Taken.FITS

    def _on_stale(self, index: int, packet: VideoPacket) -> Taken:
        self._stale_run += 1
        if self._stale_run < _STALE_RUN:
            return Taken.LATE if index in self._given_up else Taken.DUPLICATE
        self._drop_all()
        self._begin(packet)
        return Taken.RESTART

    def _on_stray(self, packet: VideoPacket) -> Taken:
        stray = self._stray
        if stray is None or not 0 < seq_delta(packet.sequence, stray.sequence) <= _CONFIRMING_PACKETS:
            self._stray = packet
            return Taken.STRAY
        self._drop_all()
        self._begin(stray)
        self.push(packet)
        return Taken.RESTART

    def _is_over(self, now: float) -> bool:
        """Whether the gap at the front has lasted long enough."""
        if self._next < self._impatient_before or len(self._waiting) > MOST_WAITING:
            return True
        since = self._nacks.since(self._next)
        return since is None or now >= since + self._patience_s

    def _skip_to(self, index: int) -> None:
        skipped = range(self._next, index)
        self._nacks.give_up(skipped)
        self._given_up.add(skipped, index)
        self.lost += len(skipped)
        self._unrepaired += len(skipped)
        self._after_gap = True
        self._next = index
