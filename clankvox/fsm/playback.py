"""The machine of one TTS playback at a time."""

from enum import StrEnum

from statemachine import Event
from statemachine.states import States

from clankvox.fsm.base import StrictMachine


class PlaybackState(StrEnum):
    """Where the current TTS playback is."""

    IDLE = "idle"
    BUFFERED = "buffered"
    """PCM is queued; nothing audible has crossed the wire yet."""
    STARTED = "started"
    """The first audible packet was handed to UDP."""
    FINISHING_UNHEARD = "finishing_unheard"
    """The parent has given all PCM, and nothing audible has crossed the wire yet."""
    FINISHING = "finishing"
    """The parent has given all PCM; the rest and five silence frames are on their way."""


class PlaybackMachine(StrictMachine):
    """Life of a TTS playback. An anonymous one drains by itself; one with an id drains after finish."""

    s = States.from_enum(PlaybackState, initial=PlaybackState.IDLE, use_enum_instance=True)

    audio_accepted = Event(s.IDLE.to(s.BUFFERED))
    became_audible = Event(s.BUFFERED.to(s.STARTED) | s.FINISHING_UNHEARD.to(s.FINISHING))
    finish_requested = Event(s.BUFFERED.to(s.FINISHING_UNHEARD) | s.STARTED.to(s.FINISHING))
    drained = Event(
        s.FINISHING.to(s.IDLE) | s.FINISHING_UNHEARD.to(s.IDLE) | s.BUFFERED.to(s.IDLE) | s.STARTED.to(s.IDLE)
    )
    stopped = Event(
        s.BUFFERED.to(s.IDLE) | s.STARTED.to(s.IDLE) | s.FINISHING_UNHEARD.to(s.IDLE) | s.FINISHING.to(s.IDLE)
    )
    failed = Event(
        s.BUFFERED.to(s.IDLE) | s.STARTED.to(s.IDLE) | s.FINISHING_UNHEARD.to(s.IDLE) | s.FINISHING.to(s.IDLE)
    )
