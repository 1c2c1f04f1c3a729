"""The last packets of a video stream, to be sent again when a receiver asks (RFC 4588)."""

from typing import Final, NamedTuple

from clankvox.wire.seq import seq_delta

CAPACITY_PACKETS: Final = 1_024
"""Over 3 s of 720p at 2.5 Mb/s (314 packets a second)."""


class CachedPacket(NamedTuple):
    """One packet as it was before the transport's encryption, and after DAVE's."""

    sequence: int
    timestamp: int
    marker: bool
    payload: bytes
    generation: int
    """The FrameCipher's generation that its frame was sealed under: after a change it may not leave again."""
    queued_at: float
    """When it was handed to the pacer."""


class RtxCache:
    """A ring by sequence number. One thread writes, another reads: every slot is replaced whole."""

    def __init__(self) -> None:
        self._slots: list[CachedPacket | None] = [None] * CAPACITY_PACKETS

    def put(self, packet: CachedPacket) -> None:
        """Keep `packet` in place of the one that is 1,024 older. Sender's thread."""
        self._slots[packet.sequence % CAPACITY_PACKETS] = packet

    def find(self, sequence: int) -> CachedPacket | None:
        """Return the packet with that number if it is still there. Any thread."""
        packet = self._slots[sequence % CAPACITY_PACKETS]
        return packet if packet is not None and packet.sequence == sequence else None

    def forget(self, first: int, after_last: int) -> None:
        """Drop the packets from `first` up to before `after_last`, which never left. Sender's thread."""
        for offset in range(min(seq_delta(after_last, first), CAPACITY_PACKETS)):
            self._slots[(first + offset) % CAPACITY_PACKETS] = None
