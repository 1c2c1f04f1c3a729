"""Pictures, and sound if it is wanted, of a container that FFmpeg reads: a file, a URL, a stream.

Who opens it decides what may be read (protocols, hosts, time limits); this module decides what is decoded.
"""

from collections.abc import Iterator
from typing import Any, Final

from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from clankvox.media.letterbox import SQUARE
from clankvox.media.media_continuity import ContinuousTime, TimeBase
from clankvox.media.opened_source import OpenedSource
from clankvox.media.picture_source import Item, MediaOpener, SourceFailed, TimedPicture
from clankvox.media.sound_track import SoundTrack

MAX_PIXELS: Final = 4_096 * 2_304
"""Larger pictures are refused by what the container declares, and by the decoder where the stream differs."""
_SHORTEST_PICTURE_S: Final = 0.001


class ContainerPictures(OpenedSource):
    """A paced PictureSource."""

    def __init__(self, opener: MediaOpener, *, with_sound: bool) -> None:
        super().__init__(opener)
        self._with_sound = with_sound

    def _read(self, container: InputContainer) -> Iterator[Item]:
        video = _video_of(container)
        streams: list[VideoStream | AudioStream] = [video]
        base = TimeBase.of(container)
        sound = SoundTrack.of(container, base) if self._with_sound else None
        if sound is not None:
            self.has_sound = True
            streams.append(sound.stream)
        return self._decoded(container.demux(streams), video, sound, base)

    def _decoded(
        self, packets: Iterator["Packet[Any]"], video: VideoStream, sound: SoundTrack | None, base: TimeBase
    ) -> Iterator[Item]:
        times = ContinuousTime(_SHORTEST_PICTURE_S, base)
        aspect = video.sample_aspect_ratio or SQUARE
        for packet in packets:
            for frame in self._decoding.frames(packet):
                if isinstance(frame, VideoFrame):
                    if frame.width * frame.height > MAX_PIXELS:
                        raise SourceFailed(f"picture too large: {frame.width}x{frame.height}")
                    yield TimedPicture(frame, times.at(frame.time), aspect)
                elif isinstance(frame, AudioFrame) and sound is not None:
                    yield from sound.timed(frame)
        if sound is not None:
            yield from sound.end()


def _video_of(container: InputContainer) -> VideoStream:
    """Return the video stream, ready to decode on this thread. SourceFailed if there is none, or it is too large."""
    video = container.streams.best("video")
    if not isinstance(video, VideoStream) or video.disposition & Disposition.attached_pic:
        raise SourceFailed("the source has no video")
    if video.width * video.height > MAX_PIXELS:
        raise SourceFailed(f"picture too large: {video.width}x{video.height}")
    video.codec_context.thread_count = 1  # a frame-threaded decoder deadlocks when it is freed before its flush
    video.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    return video
