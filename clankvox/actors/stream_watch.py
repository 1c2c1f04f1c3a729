"""The stream_watch role: receives one Go Live stream, picture and sound, and sends nothing but feedback."""

from clankvox.actors.stream import StreamActor
from clankvox.media.packet_sealer import PacketSealer
from clankvox.protocol.gateway_effects import SessionReady
from clankvox.wire import gateway_ops


class StreamWatchActor(StreamActor):
    """The connection to the stream that the parent watches."""

    def _open_media(self, session: SessionReady, sealer: PacketSealer) -> None:  # noqa: ARG002 - only feedback leaves
        self._announce_no_video()
        self._send_json(gateway_ops.Op.SPEAKING, gateway_ops.Speaking(speaking=0, ssrc=session.ssrc, delay=0))
        self._watch_video()

    def _close_media(self, *, wanted: bool) -> None:
        """Do nothing: what was received ends with the link."""
