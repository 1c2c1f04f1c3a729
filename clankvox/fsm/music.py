"""The machine of the current piece of music: what its source has given, and what is heard of it."""

from enum import StrEnum
from typing import Final

from statemachine import Event
from statemachine.states import States

from clankvox.fsm.base import StrictMachine


class MusicState(StrEnum):
    """Where the current track is."""

    IDLE = "idle"
    LOADING = "loading"
    """The source is being opened; there is no PCM yet."""
    WAITING = "waiting"
    """PCM is there and nothing was heard yet; music without an id lets an announcement end first."""
    PLAYING = "playing"
    FINISHING = "finishing"
    """The source has given all; the rest is played."""
    STOPPING = "stopping"
    """A stop fades the music out; pause or resume take it back."""
    STOPPING_FINISHING = "stopping_finishing"
    """The same, and the source has given all."""
    PAUSED_LOADING = "paused_loading"
    """Paused before there was any PCM; the source is being opened nevertheless."""
    PAUSED_UNHEARD = "paused_unheard"
    """PCM is there, and nothing of it was heard before the pause."""
    PAUSED = "paused"
    PAUSED_FINISHING = "paused_finishing"
    """Paused, and the source has given all."""
    PAUSED_BROKEN = "paused_broken"
    """The source was lost during the pause; it is opened again at its position when the music goes on."""
    REOPENING = "reopening"
    """The source is opened again after a pause; there is no new PCM yet."""


class MusicMachine(StrictMachine):
    """Life of one piece of music after the other. The next one may replace the current one at any time."""

    s = States.from_enum(MusicState, initial=MusicState.IDLE, use_enum_instance=True)

    play_requested = Event(
        s.IDLE.to(s.LOADING)
        | s.LOADING.to.itself()
        | s.WAITING.to(s.LOADING)
        | s.PLAYING.to(s.LOADING)
        | s.FINISHING.to(s.LOADING)
        | s.STOPPING.to(s.LOADING)
        | s.STOPPING_FINISHING.to(s.LOADING)
        | s.PAUSED_LOADING.to(s.LOADING)
        | s.PAUSED_UNHEARD.to(s.LOADING)
        | s.PAUSED.to(s.LOADING)
        | s.PAUSED_FINISHING.to(s.LOADING)
        | s.PAUSED_BROKEN.to(s.LOADING)
        | s.REOPENING.to(s.LOADING)
    )
    pause_requested = Event(
        s.LOADING.to(s.PAUSED_LOADING)
        | s.WAITING.to(s.PAUSED_UNHEARD)
        | s.PLAYING.to(s.PAUSED)
        | s.FINISHING.to(s.PAUSED_FINISHING)
        | s.STOPPING.to(s.PAUSED)
        | s.STOPPING_FINISHING.to(s.PAUSED_FINISHING)
        | s.REOPENING.to(s.PAUSED_BROKEN)
    )
    resume_requested = Event(
        s.PAUSED_LOADING.to(s.LOADING)
        | s.PAUSED_UNHEARD.to(s.WAITING)
        | s.PAUSED.to(s.PLAYING)
        | s.PAUSED_FINISHING.to(s.FINISHING)
        | s.PAUSED_BROKEN.to(s.REOPENING)
        | s.STOPPING.to(s.PLAYING)
        | s.STOPPING_FINISHING.to(s.FINISHING)
    )
    fade_out_begun = Event(s.PLAYING.to(s.STOPPING))
    revived = Event(s.IDLE.to(s.REOPENING))
    """The actor of a piece failed; its heir opens the source again where it was."""
    revived_paused = Event(s.IDLE.to(s.PAUSED_BROKEN))

    source_started = Event(s.LOADING.to(s.WAITING) | s.PAUSED_LOADING.to(s.PAUSED_UNHEARD) | s.REOPENING.to(s.PLAYING))
    admitted = Event(s.WAITING.to(s.PLAYING))
    source_ended = Event(
        s.PLAYING.to(s.FINISHING) | s.STOPPING.to(s.STOPPING_FINISHING) | s.PAUSED.to(s.PAUSED_FINISHING)
    )
    source_lost = Event(s.PAUSED.to(s.PAUSED_BROKEN) | s.PAUSED_UNHEARD.to(s.PAUSED_BROKEN))
    track_lost = Event(
        s.PLAYING.to(s.REOPENING)
        | s.FINISHING.to(s.REOPENING)
        | s.PAUSED.to(s.PAUSED_BROKEN)
        | s.PAUSED_FINISHING.to(s.PAUSED_BROKEN)
    )
    """A stop was taken back when its fade was over already."""
    source_failed = Event(
        s.LOADING.to(s.IDLE)
        | s.WAITING.to(s.IDLE)
        | s.PLAYING.to(s.IDLE)
        | s.PAUSED_LOADING.to(s.IDLE)
        | s.REOPENING.to(s.IDLE)
    )
    all_played = Event(
        s.PLAYING.to(s.IDLE)
        | s.FINISHING.to(s.IDLE)
        | s.PAUSED.to(s.IDLE)
        | s.PAUSED_FINISHING.to(s.IDLE)
        | s.REOPENING.to(s.IDLE)
    )
    stopped = Event(
        s.LOADING.to(s.IDLE)
        | s.WAITING.to(s.IDLE)
        | s.PLAYING.to(s.IDLE)
        | s.FINISHING.to(s.IDLE)
        | s.STOPPING.to(s.IDLE)
        | s.STOPPING_FINISHING.to(s.IDLE)
        | s.PAUSED_LOADING.to(s.IDLE)
        | s.PAUSED_UNHEARD.to(s.IDLE)
        | s.PAUSED.to(s.IDLE)
        | s.PAUSED_FINISHING.to(s.IDLE)
        | s.PAUSED_BROKEN.to(s.IDLE)
        | s.REOPENING.to(s.IDLE)
    )


FADING: Final = frozenset({MusicState.STOPPING, MusicState.STOPPING_FINISHING})
SOUNDING: Final = FADING | {MusicState.PLAYING, MusicState.FINISHING}
HELD: Final = frozenset({MusicState.PAUSED, MusicState.PAUSED_FINISHING})
OFFERED: Final = SOUNDING | HELD
"""States in which playback has the track."""
PAUSED: Final = HELD | {MusicState.PAUSED_LOADING, MusicState.PAUSED_UNHEARD, MusicState.PAUSED_BROKEN}
OPENING: Final = frozenset({MusicState.LOADING, MusicState.PAUSED_LOADING, MusicState.REOPENING})
"""States in which the source has given nothing yet."""
FOLLOWED: Final = frozenset({MusicState.PLAYING, MusicState.STOPPING, MusicState.PAUSED})
"""States in which the end of the source makes a difference."""
UNHEARD: Final = frozenset(
    {MusicState.LOADING, MusicState.WAITING, MusicState.PAUSED_LOADING, MusicState.PAUSED_UNHEARD}
)
"""States in which nothing of the piece was heard yet."""
FRAGILE: Final = OPENING | {MusicState.WAITING, MusicState.PLAYING}
"""States in which the loss of the source is the end of the piece."""
