"""Assembled frames of one video stream to pictures that may be decoded: DAVE, then what the codec says of itself."""

from typing import Final, NamedTuple

from clankvox.errors import WireError
from clankvox.ids import UserId
from clankvox.media.coded_picture import CodedPicture, read_picture
from clankvox.media.frame_assembler import JOINERS, AssembledFrame
from clankvox.media.frame_cipher import FrameCipher, FrameRejected, OpenedFrame, RejectReason
from clankvox.media.sender_binding import SenderBinding, SweepBudget
from clankvox.media.video_totals import VideoTotals
from clankvox.wire.dave_frame import is_dave_frame
from clankvox.wire.video_codec import VideoCodec

_FEWEST_SEALED_PACKETS: Final = 2


class OpenedPicture(NamedTuple):
    """A frame that may be decoded."""

    user_id: UserId
    data: bytes
    picture: CodedPicture
    authenticated: bool


class FrameOpener:
    """Opens the frames of one SSRC; see SenderBinding for whose they are. Not thread-safe."""

    def __init__(self, cipher: FrameCipher, sweeps: SweepBudget, totals: VideoTotals) -> None:
        self.binding = SenderBinding(cipher, sweeps, cipher.open_video)
        self._cipher = cipher
        self._totals = totals

    def open(self, codec: VideoCodec, frame: AssembledFrame, now: float) -> OpenedPicture:
        """Decrypt and validate. Raises FrameRejected by DAVE, and WireError for what is no picture, or nobody's."""
        try:
            user_id, opened = self.binding.open(frame.data, frame.arrival, now, absent=())
        except FrameRejected as rejected:
            by_packet = None
            if rejected.reason is RejectReason.NO_KEY and self.binding.sweep_at is None:
                by_packet = self._open_by_packet(codec, frame)
            if by_packet is None:
                raise
            return by_packet
        if user_id is None:
            raise WireError("a picture in clear of nobody")
        return OpenedPicture(user_id, opened.payload, read_picture(codec, opened.payload), opened.authenticated)

    def _open_by_packet(self, codec: VideoCodec, frame: AssembledFrame) -> OpenedPicture | None:
        """Try each packet as a DAVE frame of its own: rumour has senders that do so; the counter says if it is true."""
        if sum(map(is_dave_frame, frame.payloads)) < _FEWEST_SEALED_PACKETS:
            return None
        users = [user for user in (self.binding.proven, self.binding.hinted) if user is not None]
        for user_id in dict.fromkeys(users or self._cipher.members()):
            try:
                data = self._joined(codec, frame, user_id)
                picture = read_picture(codec, data)
            except WireError:
                continue
            self._totals.dave_per_packet_frames += 1
            return OpenedPicture(user_id, data, picture, authenticated=True)
        return None

    def _joined(self, codec: VideoCodec, frame: AssembledFrame, user_id: UserId) -> bytes:
        joiner = JOINERS[codec]()
        pieces = []
        for payload in frame.payloads:
            opened = self._open_packet(user_id, payload, frame.arrival)
            piece = joiner.add(opened.payload, surely_first=True) if opened.payload else None
            if piece is None:
                raise WireError("packets that do not join")
            pieces.append(piece)
        return b"".join(pieces)

    def _open_packet(self, user_id: UserId, payload: bytes, arrival: float) -> OpenedFrame:
        if not is_dave_frame(payload):
            raise WireError("a packet in clear between encrypted ones")
        return self._cipher.open_video(user_id, payload, arrival)
