"""The machines of one user's capture: is the parent listening, and is the user speaking."""

from enum import StrEnum

from statemachine import Event
from statemachine.states import States

from clankvox.fsm.base import StrictMachine


class CaptureState(StrEnum):
    """Where the capture of one user is."""

    IDLE = "idle"
    """The parent has not subscribed; packets are held for two seconds in case it does."""
    ARMED = "armed"
    """Subscribed; no PCM of this utterance has flowed yet."""
    CAPTURING = "capturing"
    """PCM flows."""


class CaptureMachine(StrictMachine):
    """Life of one user's capture. A one-shot capture (with an id) finishes with its first utterance."""

    s = States.from_enum(CaptureState, initial=CaptureState.IDLE, use_enum_instance=True)

    subscribed = Event(s.IDLE.to(s.ARMED))
    updated = Event(s.ARMED.to.itself() | s.CAPTURING.to.itself())
    speech_started = Event(s.ARMED.to(s.CAPTURING))
    utterance_ended = Event(s.CAPTURING.to(s.ARMED))
    capture_finished = Event(s.CAPTURING.to(s.IDLE))
    unsubscribed = Event(s.ARMED.to(s.IDLE) | s.CAPTURING.to(s.IDLE))


class SpeakingState(StrEnum):
    """Whether packets of the user arrive."""

    SILENT = "silent"
    SPEAKING = "speaking"


class SpeakingMachine(StrictMachine):
    """What speaking_start and speaking_end project."""

    s = States.from_enum(SpeakingState, initial=SpeakingState.SILENT, use_enum_instance=True)

    speaking_started = Event(s.SILENT.to(s.SPEAKING))
    speaking_ended = Event(s.SPEAKING.to(s.SILENT))
