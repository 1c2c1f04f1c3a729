"""Somebody in a room, whether a client on the network or a member of our own."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from clankvox.ids import Ssrc, UserId
from clankvox.loopback.media_port import MediaPort
from clankvox.wire.gateway_ops import Op, Payload, Speaking, Video

Emit = Callable[[str, dict[str, object]], None]
"""Takes the type and the fields of a happening."""


class Participant(ABC):
    """A user in one room. The event loop owns it."""

    def __init__(self, user_id: UserId, ssrc: Ssrc, dave_version: int, seed: int) -> None:
        """`dave_version` is the highest one that this participant understands, 0 for none."""
        self.user_id = user_id
        self.dave_version = dave_version
        self.speaking: Speaking | None = None
        """Its last op 5, as the others get it."""
        self.video: Video | None = None
        """Its last op 12, as the others get it."""
        self.port = MediaPort(user_id, ssrc, seed)
        self.port.understands_dave = dave_version > 0

    @abstractmethod
    def send(self, op: Op, payload: bytes | Payload) -> None:
        """Queue a message: bytes after the opcode of a binary op, else the JSON payload. Never blocks."""

    @abstractmethod
    def report(self) -> dict[str, object]:
        """Return what `stats` says of this participant beyond its media."""
