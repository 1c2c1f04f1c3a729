"""Pictures of sound: FFmpeg's audio visualizations, fed with the sound of a container.

Sound goes through one filter graph; each picture is due when the sound that it shows is heard.
"""

from collections.abc import Callable, Iterator
from enum import StrEnum
from fractions import Fraction
from typing import Final

from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.error import BlockingIOError as NothingYet
from av.error import FFmpegError
from av.filter import Graph

from clankvox.media.container_pictures import BROKEN_OFF
from clankvox.media.letterbox import chain
from clankvox.media.pcm import RATE_HZ
from clankvox.media.picture_source import Item, MediaOpener, Pulled, SourceFailed, TimedPicture, TimedSound
from clankvox.media.sound_track import SoundTrack
from clankvox.media.source_fault import fault_of
from clankvox.media.tolerant_decoding import TolerantDecoding


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


class VisualizerPictures:
    """A paced PictureSource. Opens on the first `pull`, which may block as long as the opener lets it."""

    live = False

    def __init__(
        self, opener: MediaOpener, mode: VisualizerMode, *, width: int, height: int, fps: int, with_sound: bool
    ) -> None:
        """Draw pictures of `width` x `height`, `fps` a second; the letterbox makes them fit if the target changes."""
        self._opener = opener
        self._steps = _FILTERS[mode](width, height, fps)
        self._container: InputContainer | None = None
        self._items: Iterator[Item] | None = None
        self.has_sound = with_sound

    def pull(self) -> Item:
        """Return the next picture or sound. Raises SourceFailed."""
        try:
            if self._items is None:
                self._container = self._opener.open()
                self._items = self._drawn(self._container)
            item = next(self._items, Pulled.ENDED)
        except (FFmpegError, OSError, ValueError) as error:  # av.ArgumentError is none of its own base
            raise SourceFailed(str(fault_of(error, heard=True))) from None
        if item is Pulled.ENDED and not self._opener.whole:
            raise SourceFailed(BROKEN_OFF)
        return item

    def interrupt(self) -> None:
        """Make a `pull` that blocks return soon. Any thread."""
        self._opener.interrupt()

    def forget(self) -> None:
        """Keep everything: the source goes on where it was held."""

    def close(self) -> None:
        """Close the container: one that is only forgotten takes the process with it."""
        self._items = None
        container, self._container = self._container, None
        if container is not None:
            container.close()

    def _drawn(self, container: InputContainer) -> Iterator[Item]:
        track = SoundTrack.of(container)
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
        decoding = TolerantDecoding()
        origin_s: float | None = None
        heard_samples = 0
        for packet in container.demux(track.stream):
            for frame in decoding.frames(packet):
                if not isinstance(frame, AudioFrame):
                    continue
                for sound in track.timed(frame):
                    origin_s = sound.media_time_s if origin_s is None else origin_s
                    _feed(graph, sound, heard_samples)
                    heard_samples += len(sound.pcm)
                    if self.has_sound:
                        yield sound
                    yield from _pictures(graph, origin_s)


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
