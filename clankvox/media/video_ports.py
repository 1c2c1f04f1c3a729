"""What watching needs from its surroundings, what it tells them, and the values that travel between its parts."""

from typing import NamedTuple, Protocol

from clankvox.ids import Attempt, Role, Ssrc, UserId
from clankvox.wire.video_codec import VideoCodec


class AccessUnit(NamedTuple):
    """One whole coded picture, decrypted and validated. A decoder belongs to (role, attempt, ssrc)."""

    role: Role
    attempt: Attempt
    user_id: UserId
    ssrc: Ssrc
    codec: VideoCodec
    keyframe: bool
    """It needs no other picture; H264 then holds its parameter sets too if they were ever sent."""
    rtp_timestamp: int
    data: bytes
    """A VP8 frame, or H264 with 4-byte start codes (ITU-T H.264 annex B)."""
    arrival: float
    """When it was whole, opened and in its turn, in seconds of the clock."""
    dave_decrypted: bool
    stream_type: str | None = None
    rid: str | None = None


class AccessUnitSink(Protocol):
    """Where pictures go that can be decoded. UDP thread, under the capture board's lock; must not block."""

    def access_unit(self, unit: AccessUnit) -> bool:
        """Take a picture; False if this or an older one of the stream was dropped, so that a key frame is needed."""
        ...

    def stream_ended(self, ssrc: Ssrc) -> None:
        """Forget what belongs to this SSRC: it is not sent, not wanted, or another one's now."""
        ...


class VideoFacts(Protocol):
    """What becomes known, at control rate. UDP thread, under the capture board's lock: call nothing back."""

    def member_heard(self, ssrc: Ssrc, user_id: UserId) -> None:
        """Note that an authenticated frame bound the SSRC to this user."""
        ...

    def undecryptable(self, ssrc: Ssrc, user_id: UserId | None, consecutive: int) -> None:
        """Note that another 36 frames in a row did not open although there is a group."""
        ...

    def picture_overdue(self, ssrc: Ssrc) -> None:
        """Note, every 2 s, that a wanted stream still has no picture to begin with: say again what is wanted."""
        ...


class RtcpSender(Protocol):
    """Where feedback leaves. UDP thread; must not block."""

    def __call__(self, compound: bytes) -> None:
        """Seal (`PacketSealer.seal_rtcp`) and send a plaintext compound packet. Never raises."""
        ...
