"""What actors need from shells, as protocols: the seam where tests put doubles.

No method here blocks. Shells answer by calling the sink that they were given, from their own thread.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple, Protocol

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
    """What the pacer tells a subscriber of a slot, once the packet has left."""

    slot_deadline: float
    """When this slot was due, in seconds of the clock."""
    sent_at: float
    """When the packet was handed to the socket."""
    missed_slots: int
    """Whole slots that passed unserved before this one."""
    outcome: SendOutcome
    packet: PreparedPacket | None
    """The packet that was in the slot."""


AHEAD_SLOTS: Final = 5
"""How many packets of an SSRC may wait for their slots."""
LOW_SLOTS: Final = 2
"""With so few left the subscriber hears of every slot: it has two whole slots of time before one would be empty."""


class PacerPort(Protocol):
    """The pacing clock (one thread for all roles): an absolute 20 ms grid with one packet per slot and SSRC."""

    def subscribe(self, ssrc: Ssrc, on_slot: Callable[[SlotReport], None], first: PreparedPacket | None) -> None:
        """Tick for `ssrc` from now on, beginning with `first`.

        If nobody was subscribed for a slot or longer the grid re-phases to now, so that the first frame after
        idle leaves at once; else `first` leaves at the next deadline of the running grid. `on_slot` runs on the
        pacer thread, behind slots that leave LOW_SLOTS packets or fewer, or whose packet did not leave; one report of
        a slot that is being served may still come after `unsubscribe`.
        """
        ...

    def unsubscribe(self, ssrc: Ssrc) -> list[PreparedPacket]:
        """Stop ticking for `ssrc`; returns the packets that had not left, in the order of their slots."""
        ...

    def arm(self, ssrc: Ssrc, packet: PreparedPacket) -> bool:
        """Put `packet` into the first slot that is free; False, and it is not kept, if AHEAD_SLOTS wait already.

        Nor is it where nobody is subscribed for `ssrc`.
        """
        ...

    def disarm(self, ssrc: Ssrc) -> list[PreparedPacket]:
        """Empty all slots at once; returns the packets that had not left, in the order of their slots."""
        ...

    def next_deadline(self, ssrc: Ssrc) -> float:
        """Instant at which a packet armed now would leave."""
        ...


class VideoPacerPort(Protocol):
    """The pacer's second list: packets of pictures, in sub-slots of 2 ms between the audio slots, which go first.

    At most eight packets a sub-slot leave, over all SSRCs. Every method is thread-safe and short. What a packet's
    `send` returns is told to nobody: the packet itself knows whom it concerns.
    """

    def queue(self, ssrc: Ssrc, packets: Sequence[PreparedPacket], spread_s: float) -> bool:
        """Append the packets of one picture, to leave evenly over `spread_s` once those before them have left.

        False, and nothing is kept, if the last of them would leave more than 3 s from now.
        """
        ...

    def clear(self, ssrc: Ssrc) -> list[PreparedPacket]:
        """Remove the pictures that have not begun to leave (one that has is let finish); returns their packets."""
        ...

    def drop(self, ssrc: Ssrc) -> list[PreparedPacket]:
        """Remove all that waits for `ssrc`, the rest of a picture too; returns it in order."""
        ...

    def backlog_s(self, ssrc: Ssrc) -> float:
        """How long what waits for `ssrc` needs to leave."""
        ...


class PublishStep(NamedTuple):
    """What a step of a PublishLine leaves to do."""

    next_at: float
    """Instant of the next step; infinity: not before an order or a picture comes."""
    ended: bool = False
    """The source came to its end, and all of it was sent."""


class PublishLine(Protocol):
    """One published source, from reading to the pacer's lane (media/publish_line.py).

    Worker's thread, but `cancel`, `force_idr` and `counters`.
    """

    @property
    def counters(self) -> Any:
        """What became of its pictures, a media.publish_line.LineCounters. Any thread."""
        ...

    def step(self, now: float) -> PublishStep:
        """Do one thing that is due at `now`; may block on the source. Raises ClankvoxError if it cannot go on."""
        ...

    def attach(self, sender: Any, lease: int, on_left: Callable[[], None]) -> None:
        """Send by `sender`, a media.video_sender.VideoSender, under `lease`; `on_left` hears of all that left."""
        ...

    def detach(self) -> None:
        """Hold the source: there is no connection."""
        ...

    def pause(self) -> None:
        """Hold the source, and drop what has not begun to leave."""
        ...

    def resume(self) -> None:
        """Go on where the source was held."""
        ...

    def force_idr(self) -> None:
        """Make an IDR soon. Any thread; does not block."""
        ...

    def retarget(self, target: Any) -> None:
        """Encode by `target`, a media.video_target.VideoTarget, from the next picture on."""
        ...

    def want(self, *, wanted: bool) -> None:
        """Encode, or let media time go by."""
        ...

    def cancel(self) -> None:
        """Send nothing any more, whatever `step` is doing. Any thread; does not block."""
        ...

    def close(self) -> None:
        """Let go of source and encoder. Idempotent."""
        ...
