"""What actors need from shells, as protocols: the seam where tests put doubles.

No method here blocks. Shells answer by calling the sink that they were given, from their own thread.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple, Protocol

from clankvox.ids import Attempt, Ssrc


class DatagramSink(Protocol):
    """The receive path of a role: every method runs on that role's UDP thread."""

    def feed(self, datagram: bytes, now: float) -> None:
        """Process one datagram that arrived at `now`. Never raises."""
        ...

    def poll(self, now: float) -> float:
        """Do what time asks for; return the instant of the next poll."""
        ...


class UdpPort(Protocol):
    """One role's UDP socket and its receive thread."""

    def open(self, attempt: Attempt, ip: str, port: int, sink: DatagramSink) -> None:
        """Connect to the server and start to read; closes the socket of an older attempt."""
        ...

    def send(self, datagram: bytes) -> None:
        """Send without blocking; a full socket buffer drops the datagram and counts it. Any thread.

        Raises TransportLost if the socket is not open or refuses for another reason.
        """
        ...

    def wake(self) -> None:
        """Make the receive thread poll its sink now. Any thread."""
        ...

    def close(self) -> None:
        """Stop the thread and close the socket; idempotent."""
        ...


class WebSocketPort(Protocol):
    """One role's voice gateway socket; news go to the sink as messages.connection.Socket* values."""

    def connect(self, attempt: Attempt, url: str, timeout_s: float) -> None:
        """Open in a thread of the shell; SocketOpened or SocketLost follows. Abandons an older attempt's socket."""
        ...

    def send(self, frame: str | bytes) -> None:
        """Queue a text (str) or binary (bytes) message; order is kept."""
        ...

    def close(self, code: int) -> None:
        """Close with `code`, in the background; idempotent. No SocketLost follows."""
        ...


class SendOutcome(StrEnum):
    """What became of a slot's packet."""

    SENT = "sent"
    EMPTY = "empty"
    STALE = "stale"
    FAILED = "failed"


class PreparedPacket(Protocol):
    """A sealed datagram that waits for its slot."""

    def send(self) -> SendOutcome:
        """Hand the datagram to the socket if it was sealed under the cipher and gate of now. Pacer thread."""
        ...


class SlotReport(NamedTuple):
    """What the pacer tells a subscriber after each slot, once the packet has left."""

    slot_deadline: float
    """When this slot was due, in seconds of the clock."""
    sent_at: float
    """When the packet was handed to the socket."""
    missed_slots: int
    """Whole slots that passed unserved before this one."""
    outcome: SendOutcome
    packet: PreparedPacket | None
    """The packet that was in the slot."""


class PacerPort(Protocol):
    """The pacing clock (one thread for all roles): an absolute 20 ms grid with one slot per SSRC."""

    def subscribe(self, ssrc: Ssrc, on_slot: Callable[[SlotReport], None], first: PreparedPacket | None) -> None:
        """Tick for `ssrc` from now on, beginning with `first`.

        If nobody was subscribed for a slot or longer the grid re-phases to now, so that the first frame after
        idle leaves at once; else `first` leaves at the next deadline of the running grid. `on_slot` runs on the
        pacer thread; one report of a slot that is being served may still come after `unsubscribe`.
        """
        ...

    def unsubscribe(self, ssrc: Ssrc) -> PreparedPacket | None:
        """Stop ticking for `ssrc`; returns the packet that had not left yet."""
        ...

    def arm(self, ssrc: Ssrc, packet: PreparedPacket) -> PreparedPacket | None:
        """Put `packet` into the next slot of a subscribed SSRC; returns the one that it replaced.

        An SSRC that is not subscribed hands `packet` itself back: what is returned has not left.
        """
        ...

    def disarm(self, ssrc: Ssrc) -> PreparedPacket | None:
        """Empty the slot at once; returns the packet that had not left."""
        ...

    def next_deadline(self) -> float:
        """Instant at which a packet armed now would leave."""
        ...
