"""From media to the parent: what was heard and seen becomes frames in the lanes of the outbox."""

from clankvox.ids import CaptureId, Role, UserId
from clankvox.ipc.events import DecodedVideoFrame, Event, UserVideoFrame, encode_event
from clankvox.ipc.framing import FrameTooLarge, TimingBlock, frame_json, frame_user_audio
from clankvox.media.picture_maker import DecodedPicture
from clankvox.media.receive_ports import Timing
from clankvox.media.signal_meter import Signal
from clankvox.media.video_ports import AccessUnit
from clankvox.outbox import Outbox


class PcmOutlet:
    """media's PcmSink: captured PCM into the audio lane, in the header form that the capture asked for. UDP thread."""

    def __init__(self, outbox: Outbox, role: Role = Role.VOICE) -> None:
        self._outbox = outbox
        self._role = role
        self._announces = role is Role.VOICE
        """Whether the parent is told who speaks, so that PCM may have to wait for it."""

    def user_audio(
        self,
        user_id: UserId,
        capture_id: CaptureId | None,
        pcm: memoryview,
        signal: Signal,
        duration_ms: float,
        timing: Timing | None,
    ) -> bool:
        """Queue one piece of PCM; False if it was dropped at the boundary."""
        try:
            frame = frame_user_audio(user_id, capture_id, pcm, *signal, timing and _block(timing))
        except FrameTooLarge:
            return False
        held_for = user_id if self._announces else None
        return self._outbox.put_audio((self._role, user_id, capture_id), frame, duration_ms, held_for)


def _block(timing: Timing) -> TimingBlock:
    return TimingBlock(timing.origin, timing.media_time, timing.arrival, timing.duration_ticks)


class PictureOutlet:
    """media's PictureSink: pictures into the video lane. The role's decoding thread."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self.too_large = 0

    def picture(self, picture: DecodedPicture) -> None:
        """Queue a picture as JPEG, in the union of what all client generations read."""
        self._put(
            DecodedVideoFrame(
                role=picture.role,
                user_id=picture.user_id,
                ssrc=picture.ssrc,
                width=picture.width,
                height=picture.height,
                jpeg=picture.jpeg,
                rtp_timestamp=picture.rtp_timestamp,
                stream_type=picture.stream_type,
                rid=picture.rid,
                change_score=round(picture.change.score, 4),
                ema_change_score=round(picture.change.ema, 4),
                is_scene_cut=picture.change.is_scene_cut,
            )
        )

    def compressed(self, unit: AccessUnit) -> None:
        """Queue a VP8 frame for a parent that decodes it itself."""
        self._put(
            UserVideoFrame(
                role=unit.role,
                user_id=unit.user_id,
                ssrc=unit.ssrc,
                codec=unit.codec.value,
                keyframe=unit.keyframe,
                frame=unit.data,
                rtp_timestamp=unit.rtp_timestamp,
                stream_type=unit.stream_type,
                rid=unit.rid,
                dave_decrypted=unit.dave_decrypted,
            )
        )

    def _put(self, event: Event) -> None:
        try:
            self._outbox.put_video(frame_json(encode_event(event)))
        except FrameTooLarge:
            self.too_large += 1
