"""The video side of one participant's end of the SFU: codecs, what it shows, what it wants to see."""

from collections import deque
from collections.abc import Callable
from typing import Final

from clankvox.loopback.codec_table import CodecTable
from clankvox.loopback.video_statistics import VideoStatistics
from clankvox.wire.gateway_ops import MediaSinkWants

_MAX_EARLY: Final = 512
_EVERYTHING: Final = 100


class VideoPort:
    """The event loop owns it."""

    def __init__(self) -> None:
        self.codecs = CodecTable()
        """Payload types of this participant (op 1)."""
        self.repairs: dict[int, int] = {}
        """Repair SSRC to the primary one that it stands in for."""
        self.video_described = False
        """Whether this participant ever sent an op 12: without one it neither sends nor gets video."""
        self.wants: MediaSinkWants | None = None
        """Its last op 15."""
        self.once_announced: set[int] = set()
        """All SSRCs that ever were; what still comes after a video was switched off is no offence."""
        self.early_video: deque[tuple[bytes, float]] = deque(maxlen=_MAX_EARLY)
        """Packets (and their arrival) that overtook op 12 or op 5; a key frame has many."""
        self.on_invalid_ssrc: Callable[[], None] | None = None
        """Called once if video went on before it was announced."""
        self.video: dict[int, VideoStatistics] = {}
        """Of each primary video SSRC."""
        self._repair_sequences: dict[int, int] = {}

    def wants_video(self, ssrc: int) -> bool:
        """Whether this participant wants the primary `ssrc`; who said nothing wants all."""
        return self.wants is None or wanted_quality(self.wants, ssrc) > 0

    def next_repair_sequence(self, rtx_ssrc: int) -> int:
        """Return the next sequence number of what the SFU sends to this participant as `rtx_ssrc`."""
        sequence = self._repair_sequences.get(rtx_ssrc, rtx_ssrc) & 0xFFFF
        self._repair_sequences[rtx_ssrc] = sequence + 1
        return sequence

    def video_stream(self, ssrc: int) -> VideoStatistics:
        """Return the statistics of the video that this participant sends as primary `ssrc`."""
        statistics = self.video.get(ssrc)
        if statistics is None:
            statistics = self.video[ssrc] = VideoStatistics()
        return statistics


def wanted_quality(wants: MediaSinkWants | None, ssrc: int) -> int:
    """Return the quality 0..100 that `wants` asks of `ssrc`."""
    if wants is None:
        return _EVERYTHING
    return wants.wants.get(ssrc, _EVERYTHING if wants.any is None else wants.any)
