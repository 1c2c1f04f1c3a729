"""What a source of published video gives: pictures, and sound, each with its media time."""

from enum import Enum, auto
from fractions import Fraction
from typing import NamedTuple, Protocol, TypeAlias

from av.container import InputContainer
from av.video.frame import VideoFrame

from clankvox.errors import ClankvoxError
from clankvox.media.letterbox import SQUARE
from clankvox.media.pcm import Stereo


class SourceFailed(ClankvoxError):
    """The source cannot be read, or holds no picture; the text is fit for the parent and names no URL."""

    code = "source_failed"


class TimedPicture(NamedTuple):
    """A decoded picture. Media time is in seconds from any origin of the source and never goes back."""

    picture: VideoFrame
    media_time_s: float
    pixel_aspect: Fraction = SQUARE


class TimedSound(NamedTuple):
    """Int16 samples of shape (n, 2) at 48 kHz, and when the first of them is due, on the pictures' time."""

    pcm: Stereo
    media_time_s: float


class Pulled(Enum):
    """What `pull` returns instead of media."""

    WAITING = auto()
    """Nothing is there now; somebody will wake the worker."""
    ENDED = auto()
    """There will be no more."""


Item: TypeAlias = TimedPicture | TimedSound | Pulled


Container: TypeAlias = InputContainer
"""What an opener returns, under a name of ours: only media/ knows the library."""


class MediaOpener(Protocol):
    """How a container comes to be: where it is, and what may be read on the way."""

    def open(self) -> Container:
        """Open it; the caller closes it. Blocks, with time limits. Raises FFmpegError or a ClankvoxError."""
        ...

    @property
    def whole(self) -> bool:
        """Whether everything that was asked for has come; False if a connection broke off, which FFmpeg hides."""
        ...

    def interrupt(self) -> None:
        """End what blocks, and every later read. Any thread; does not block."""
        ...


class PictureSource(Protocol):
    """A source, pulled on the publish worker's thread."""

    @property
    def live(self) -> bool:
        """Pictures are to be shown when they come, not paced by their media time."""
        ...

    @property
    def has_sound(self) -> bool:
        """Whether `pull` returns sound too."""
        ...

    @property
    def left_out(self) -> int:
        """How many pictures or packets `pull` did not give: damaged, or pushed out by newer ones. Any thread."""
        ...

    def pull(self) -> Item:
        """Return what is next. May block on network and decoder, within their time limits. Raises SourceFailed."""
        ...

    def forget(self) -> None:
        """Drop what makes sense only now: the source is being held."""
        ...

    def interrupt(self) -> None:
        """Make a `pull` that blocks return soon, and every later one fail. Any thread; does not block."""
        ...

    def close(self) -> None:
        """Let go of everything. Idempotent; raises nothing."""
        ...
