"""The stream_publish role: sends our own Go Live stream.

The contract has `transport_state playing` before `dave_state`, and they are two actors' to say. So the DAVE actor hears
nothing of a session before the publish actor has taken to it.
"""

from typing import Final

from clankvox.actors.farewells import MOST_NEWS
from clankvox.actors.stream import StreamActor
from clankvox.ids import PUBLISH, Ssrc
from clankvox.media.packet_sealer import PacketSealer
from clankvox.messages.dave import GroupNews
from clankvox.messages.publish import KeyframeIntervalChanged, PublishPathClosed, PublishPathOpened, ViewersWant
from clankvox.protocol import gateway_effects as effects
from clankvox.protocol.gateway_effects import SessionReady
from clankvox.wire import gateway_ops

_CODEC: Final = "H264"
_REFUSED: Final = "unsupported_video_codec"


class StreamPublishActor(StreamActor):
    """The connection on which the publish actor's pictures leave."""

    _held: list[GroupNews] | None = None
    """What the DAVE actor is not told yet; None once the publish actor has taken the path."""

    def _open_media(self, session: SessionReady, sealer: PacketSealer) -> None:
        self._announce_no_video()
        if not self._can_send(session.video_codec):
            return
        video = next((stream for stream in session.streams if stream.ssrc), None)
        video_ssrc = Ssrc(video.ssrc) if video is not None and video.ssrc else Ssrc(session.ssrc + 1)
        rtx_ssrc = Ssrc(video.rtx_ssrc) if video is not None and video.rtx_ssrc else Ssrc(video_ssrc + 1)
        opened = PublishPathOpened(
            attempt=self._attempt,
            audio_ssrc=session.ssrc,
            video_ssrc=video_ssrc,
            rtx_ssrc=rtx_ssrc,
            sealer=sealer,
            keyframe_interval_ms=session.keyframe_interval_ms,
        )
        self.send(PUBLISH, opened)
        self._held = []

    def _to_dave(self, news: GroupNews) -> None:
        if self._held is None:
            super()._to_dave(news)
            return
        self._held.append(news)
        if len(self._held) >= MOST_NEWS:
            self._on_path_taken()

    def _on_path_taken(self) -> None:
        held, self._held = self._held, None
        for news in held or ():
            super()._to_dave(news)

    def _can_send(self, codec: str | None) -> bool:
        """End the connection if the server wants a codec that we did not offer; absent means unchanged."""
        if codec is None or codec.upper() == _CODEC:
            return True
        self._give_up(_REFUSED, "The server wants a video codec that we did not offer.")
        return False

    def _close_media(self, *, wanted: bool) -> None:
        self._held = None
        if wanted and self._gateway is not None and self._gateway.session_established:
            speaking = gateway_ops.Speaking(speaking=0, ssrc=self._ssrc, delay=0)
            self._send_json(gateway_ops.Op.SPEAKING, speaking)
            self._announce_no_video()
        self.send(PUBLISH, PublishPathClosed(final=wanted))

    def _on_video_effect(
        self, effect: effects.VideoAnnounced | effects.WantsAnnounced | effects.SessionUpdated
    ) -> None:
        match effect:
            case effects.SessionUpdated(update=update):
                if self._can_send(update.video_codec) and update.keyframe_interval:
                    changed = KeyframeIntervalChanged(attempt=self._attempt, interval_ms=update.keyframe_interval)
                    self.send(PUBLISH, changed)
            case effects.WantsAnnounced(wants=wants):
                self.send(PUBLISH, ViewersWant(attempt=self._attempt, any_quality=wants.any, by_ssrc=wants.wants))
            case effects.VideoAnnounced():
                pass
