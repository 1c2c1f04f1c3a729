"""What receivers ask of our video: key frames, and packets that they have lost. What they report asks for nothing."""

from collections.abc import Callable
from typing import Final

from clankvox.ids import Ssrc
from clankvox.media.retransmitter import Retransmitter
from clankvox.media.video_path import VideoPath
from clankvox.wire.rtcp import Fir, Nack, Packet, Pli

_REMEMBERED_REQUESTERS: Final = 64


class VideoFeedback:
    """Takes opened RTCP packets, whoever they are about. Not thread-safe: the role's UDP thread owns it."""

    def __init__(self, path: VideoPath, retransmitter: Retransmitter, on_keyframe_wanted: Callable[[], None]) -> None:
        """`on_keyframe_wanted` hears every request, on the UDP thread; how often one is granted is its matter."""
        self._path = path
        self._retransmitter = retransmitter
        self._on_keyframe_wanted = on_keyframe_wanted
        self._fir_commands: dict[Ssrc, int] = {}

    def receive(self, packet: Packet, now: float) -> None:
        """Act on one packet; anything about another SSRC is ignored. Raises nothing."""
        ours = self._path.ssrc
        match packet:
            case Nack(media_ssrc=ssrc) if ssrc == ours:
                self._retransmitter.answer(packet, now)
            case Pli(media_ssrc=ssrc) if ssrc == ours:
                self._request()
            case Fir():
                self._on_fir(packet)
            case _:
                pass

    def _on_fir(self, fir: Fir) -> None:
        """Take each command once: a number seen before is the same request again (RFC 5104 section 4.3.1.2)."""
        for request in fir.requests:
            if request.ssrc != self._path.ssrc or self._fir_commands.get(fir.sender_ssrc) == request.command:
                continue
            if len(self._fir_commands) >= _REMEMBERED_REQUESTERS:
                self._fir_commands.clear()
            self._fir_commands[fir.sender_ssrc] = request.command
            self._request()

    def _request(self) -> None:
        self._path.counters.keyframe_requests += 1
        self._on_keyframe_wanted()
