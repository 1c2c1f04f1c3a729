"""What the receive path needs from its surroundings, and what it tells them."""

from typing import Protocol

from clankvox.ids import CaptureId, Ssrc, UserId


class PacketOpener(Protocol):
    """The transport key of a session."""

    def open(self, datagram: bytes, clear_bytes: int) -> bytes:
        """Return what follows the first `clear_bytes`; OpenFailed if it does not authenticate."""
        ...


class PcmSink(Protocol):
    """Where captured speech goes. UDP thread; must not block."""

    def user_audio(
        self,
        user_id: UserId,
        capture_id: CaptureId | None,
        pcm: memoryview,
        peak: int,
        active: int,
        total: int,
        duration_ms: float,
    ) -> bool:
        """Take one stretch of PCM (bytes, s16 native order, mono); False if it had to be dropped.

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

    def speech_ended(self, user_id: UserId, arming: int) -> None:
        """Note that no packet came for the capture's silence duration; nothing more is delivered into this arming."""
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
