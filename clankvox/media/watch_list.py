"""What shall be seen of one role: a snapshot that the video actor publishes and the receive path reads."""

from typing import NamedTuple

from clankvox.ids import Ssrc, UserId


class PictureWish(NamedTuple):
    """How the parent wants the pictures of a user."""

    max_frames_per_second: int
    jpeg_quality: int
    """10 to 100."""
    decode_vp8: bool = True
    """False: the parent decodes VP8 itself and gets it compressed."""


class RemoteStream(NamedTuple):
    """One video stream that op 12 announced; without a wish its packets are counted and dropped."""

    user_id: UserId
    ssrc: Ssrc
    rtx_ssrc: Ssrc | None
    stream_type: str | None
    rid: str | None
    wish: PictureWish | None


WatchList = tuple[RemoteStream, ...]
"""Every announced stream of the connection, at most one of a user with a wish."""
