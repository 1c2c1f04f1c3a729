"""Commands of music."""

from clankvox.ids import MusicId
from clankvox.ipc.command import U32, BaseCommand


class MusicPlay(BaseCommand, frozen=True, kw_only=True):
    """Play a page or, with `resolved_direct_url`, a media file. `visualizer_mode` is taken and ignored."""

    music_id: MusicId | None = None
    url: str
    resolved_direct_url: bool = False
    visualizer_mode: str | None = None

    def __post_init__(self) -> None:
        self._trim("url")


class MusicStop(BaseCommand, frozen=True, kw_only=True):
    """Fade out and stop."""

    music_id: MusicId | None = None


class MusicPause(BaseCommand, frozen=True, kw_only=True):
    """Hold the music and its position."""

    music_id: MusicId | None = None


class MusicResume(BaseCommand, frozen=True, kw_only=True):
    """Go on where the music was."""

    music_id: MusicId | None = None


class MusicSetGain(BaseCommand, frozen=True, kw_only=True):
    """Ramp all music to `target` (0 to 1, linear) within `fade_ms`; the pieces that follow have that gain too."""

    music_id: MusicId | None = None
    target: float
    fade_ms: U32 = 0

    def __post_init__(self) -> None:
        self._clamp("target", 0.0, 1.0)


class Duck(BaseCommand, frozen=True, kw_only=True):
    """An addition: lower all music under our speech to `target` (0 to 1; 1 switches it off), from now on."""

    target: float
    attack_ms: U32 = 150
    release_ms: U32 = 300

    def __post_init__(self) -> None:
        self._clamp("target", 0.0, 1.0)
