"""Pictures of sound: FFmpeg's audio visualizations, fed with the sound of a container.

Sound goes through one filter graph; each picture is due when the sound that it shows is heard.
"""

import math
from collections.abc import Callable, Iterator
from enum import StrEnum
from fractions import Fraction
from typing import Final

from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.error import BlockingIOError as NothingYet
from av.filter import Graph

from clankvox.media.letterbox import chain
from clankvox.media.media_continuity import TimeBase
from clankvox.media.opened_source import OpenedSource
from clankvox.media.pcm import RATE_HZ
from clankvox.media.picture_source import Item, MediaOpener, SourceFailed, TimedPicture, TimedSound
from clankvox.media.sound_track import SoundTrack


class VisualizerMode(StrEnum):
    """What the parent may ask for."""

    CQT = "cqt"
    SPECTRUM = "spectrum"
    WAVES = "waves"
    VECTORSCOPE = "vectorscope"

    @classmethod
    def of(cls, name: str) -> "VisualizerMode":
        """Return the mode of that name; what nobody knows is cqt."""
        return cls(name) if name in set(cls) else cls.CQT


def _cqt(width: int, height: int, fps: int) -> tuple[str, ...]:
    return (f"showcqt=s={width}x{height}:fps={fps}:sono_v=18:bar_v=12:axis=0",)


def _spectrum(width: int, height: int, fps: int) -> tuple[str, ...]:
    look = "slide=scroll:color=magma:scale=cbrt:fscale=log:orientation=vertical"
    return (f"showspectrum=s={width}x{height}:{look}", f"fps={fps}")


def _waves(width: int, height: int, fps: int) -> tuple[str, ...]:
    return (f"showwaves=s={width}x{height}:mode=cline:rate={fps}:scale=sqrt:colors=0x00ff88",)


def _vectorscope(width: int, height: int, fps: int) -> tuple[str, ...]:
    scope = f"avectorscope=s={height}x{height}:mode=lissajous:draw=line:zoom=1.5:scale=sqrt:rate={fps}"
    return (scope, f"pad={width}:{height}:(ow-iw)/2:0:black")


_FILTERS: Final[dict[VisualizerMode, Callable[[int, int, int], tuple[str, ...]]]] = {
    VisualizerMode.CQT: _cqt,
    VisualizerMode.SPECTRUM: _spectrum,
    VisualizerMode.WAVES: _waves,
    VisualizerMode.VECTORSCOPE: _vectorscope,
}


class VisualizerPictures(OpenedSource):
    """A paced PictureSource."""

    def __init__(
        self, opener: MediaOpener, mode: VisualizerMode, *, width: int, height: int, fps: int, with_sound: bool
    ) -> None:
        """Draw pictures of `width` x `height`, `fps` a second; the letterbox makes them fit if the target changes."""
        super().__init__(opener)
        self._steps = _FILTERS[mode](width, height, fps)
        self.has_sound = with_sound

    def _read(self, container: InputContainer) -> Iterator[Item]:
        track = SoundTrack.of(container, TimeBase.of(container))
        if track is None:
            raise SourceFailed("the source has no sound")
        graph = chain(
            (
                f"abuffer=sample_rate={RATE_HZ}:sample_fmt=s16:channel_layout=stereo:time_base=1/{RATE_HZ}",
                *self._steps,
                "format=yuv420p",
                "buffersink",
            )
        )
        origin_s = -math.inf
        heard_samples = 0
        for sound in self._sounds(container, track):
            origin_s = max(origin_s, sound.media_time_s - heard_samples / RATE_HZ)  # grows by each gap in the sound
            _feed(graph, sound, heard_samples)
            heard_samples += len(sound.pcm)
            if self.has_sound:
                yield sound
            yield from _pictures(graph, origin_s)

    def _sounds(self, container: InputContainer, track: SoundTrack) -> Iterator[TimedSound]:
        for packet in container.demux(track.stream):
            for frame in self._decoding.frames(packet):
                if isinstance(frame, AudioFrame):
                    yield from track.timed(frame)
        yield from track.end()


def _feed(graph: Graph, sound: TimedSound, heard_samples: int) -> None:
    block = AudioFrame.from_ndarray(sound.pcm.reshape(1, -1), format="s16", layout="stereo")
    block.sample_rate = RATE_HZ
    block.pts = heard_samples
    block.time_base = Fraction(1, RATE_HZ)
    graph.push(block)


def _pictures(graph: Graph, origin_s: float) -> Iterator[TimedPicture]:
    while True:
        try:
            picture = graph.vpull()
        except NothingYet:
            return
        yield TimedPicture(picture, origin_s + (picture.time or 0.0))
