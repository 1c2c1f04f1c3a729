"""What the receive path needs from its surroundings, and what it tells them."""

from enum import IntEnum
from typing import NamedTuple, Protocol

from clankvox.ids import CaptureId, Ssrc, UserId
from clankvox.media.segment import Segment
from clankvox.media.signal_meter import Signal


class Origin(IntEnum):
    """Where PCM comes from; the parent is told these numbers."""

    RECEIVED = 0
    RECOVERED = 1
    """From the copy that the next packet carries (FEC)."""
    CONCEALED = 2
    """Made up by the decoder."""
    SILENCE = 3
    """Nothing, in a gap too long to make up."""


class Timing(NamedTuple):
    """When some PCM was made and came, in 48 kHz ticks of the process's monotonic clock."""

    media_time: int
    """Of its first sample, as by the clock of MediaClock."""
    duration_ticks: int
    arrival: int
    """Of the packet that it came with; of the one that showed the gap if it stands in for others."""
    origin: Origin


class PacketOpener(Protocol):
    """The transport key of a session."""

    def open(self, datagram: bytes, clear_bytes: int) -> bytes:
        """Return what follows the first `clear_bytes`; OpenFailed if it does not authenticate."""
        ...

    def seal_rtcp(self, compound: bytes) -> bytes:
        """Return the datagram of a compound RTCP packet. Raises TransportLost when the key is used up."""
        ...


class PcmSink(Protocol):
    """Where captured speech goes. UDP thread; must not block."""

    def user_audio(
        self,
        user_id: UserId,
        capture_id: CaptureId | None,
        pcm: memoryview,
        signal: Signal,
        duration_ms: float,
        timing: Timing | None,
    ) -> bool:
        """Take one stretch of PCM (bytes, s16 native order, mono); False if it had to be dropped.

        `timing` only for a capture that asked for its timeline.

        `pcm` is valid during the call only and is zeroed after it: copy what has to stay.
        """
        ...


class ReceiveFacts(Protocol):
    """What becomes known, at control rate. UDP thread (`detach`'s facts: the caller's); must not block.

    The capture board's lock is held during every call, so no method may call the pipeline or the board back.
    """

    def speaking_started(self, user_id: UserId) -> None:
        """Note that packets of the user arrive."""
        ...

    def speaking_ended(self, user_id: UserId) -> None:
        """Note that none arrived for 100 ms, or the link is gone."""
        ...

    def speech_started(self, user_id: UserId, arming: int) -> None:
        """Note that the first PCM of this arming was delivered."""
        ...

    def speech_ended(self, user_id: UserId, arming: int, segment: Segment | None = None) -> None:
        """Note that no packet came for the capture's silence duration; nothing more is delivered into this arming.

        `segment` only for a capture that asked for one.
        """
        ...

    def speech_cut(self, user_id: UserId) -> None:
        """Note that the capture's side ended an utterance of which PCM was delivered, and will say so."""
        ...

    def member_heard(self, ssrc: Ssrc, user_id: UserId) -> None:
        """Note that an authenticated frame bound the SSRC to this user."""
        ...

    def discovery_replied(self, address: str, port: int) -> None:
        """Note that the server answered IP discovery."""
        ...

    def pong(self, counter: int) -> None:
        """Note that the server answered UDP keepalive `counter`."""
        ...

    def undecryptable(self, ssrc: Ssrc, user_id: UserId | None, consecutive: int) -> None:
        """Note that another 36 frames in a row did not open although there is a group."""
        ...
