"""Declared machines only: states, events, guards. No effects."""

from typing import Final

from clankvox.fsm.base import StrictMachine
from clankvox.fsm.capture import CaptureMachine, SpeakingMachine
from clankvox.fsm.connection import ConnectionMachine
from clankvox.fsm.dave import DaveMachine
from clankvox.fsm.music import MusicMachine
from clankvox.fsm.playback import PlaybackMachine
from clankvox.fsm.publish import PublishMachine
from clankvox.fsm.router import RouterMachine
from clankvox.fsm.transmission import TransmissionMachine
from clankvox.fsm.video import VideoMachine

MACHINES: Final[tuple[type[StrictMachine], ...]] = (
    RouterMachine,
    ConnectionMachine,
    DaveMachine,
    CaptureMachine,
    SpeakingMachine,
    PlaybackMachine,
    TransmissionMachine,
    MusicMachine,
    VideoMachine,
    PublishMachine,
)
"""Every machine of the product: diagrams, transition tables and coverage are made from this list."""
