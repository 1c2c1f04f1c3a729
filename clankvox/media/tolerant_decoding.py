"""Decoding that gets over damaged packets, up to a limit."""

from typing import Any, Final

from av.error import EOFError as EndOfFile
from av.error import InvalidDataError
from av.packet import Packet

from clankvox.media.picture_source import SourceFailed

DAMAGE_LIMIT: Final = 100
"""Packets in a row that the decoder refuses before the source counts as unreadable."""


class TolerantDecoding:
    """Counts what the decoders of one container refuse. Not thread-safe."""

    def __init__(self) -> None:
        self.damaged_packets = 0
        self._in_a_row = 0

    def frames(self, packet: "Packet[Any]") -> list[Any]:
        """Return the frames of `packet`; none if it is damaged. SourceFailed after DAMAGE_LIMIT in a row."""
        try:
            frames = list(packet.decode())
        except EndOfFile:
            return []
        except InvalidDataError as error:
            self.damaged_packets += 1
            self._in_a_row += 1
            if self._in_a_row >= DAMAGE_LIMIT:
                raise SourceFailed("the source cannot be decoded") from error
            return []
        self._in_a_row = 0
        return frames
