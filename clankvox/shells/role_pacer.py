"""The pacing clock as one role sees it: SSRCs are the role's own.

The server of the call and the server of our stream number SSRCs each for itself, and may give us the same one.
"""

from collections.abc import Callable

from clankvox.ids import Role, Ssrc
from clankvox.ports import PreparedPacket, SlotReport
from clankvox.shells.pacer import Pacer


class RolePacer:
    """Implements PacerPort. Every method is thread-safe and short."""

    def __init__(self, pacer: Pacer, role: Role) -> None:
        """`pacer` is the process's only one."""
        self._pacer = pacer
        self._role = role

    def subscribe(self, ssrc: Ssrc, on_slot: Callable[[SlotReport], None], first: PreparedPacket | None) -> None:
        """Tick for `ssrc`; see PacerPort."""
        self._pacer.subscribe((self._role, ssrc), on_slot, first)

    def unsubscribe(self, ssrc: Ssrc) -> list[PreparedPacket]:
        """Stop ticking for `ssrc`; see PacerPort."""
        return self._pacer.unsubscribe((self._role, ssrc))

    def arm(self, ssrc: Ssrc, packet: PreparedPacket) -> bool:
        """Fill the first free slot; see PacerPort."""
        return self._pacer.arm((self._role, ssrc), packet)

    def disarm(self, ssrc: Ssrc) -> list[PreparedPacket]:
        """Empty all slots; see PacerPort."""
        return self._pacer.disarm((self._role, ssrc))

    def next_deadline(self, ssrc: Ssrc) -> float:
        """Instant at which a packet armed now would leave."""
        return self._pacer.next_deadline((self._role, ssrc))
