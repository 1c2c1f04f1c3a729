"""What an actor may lack (a call, a piece, a capture, a link, a group), and in which states it has it."""

from collections.abc import Iterable

from clankvox.actors.base import BaseActor
from clankvox.actors.capture import CaptureActor
from clankvox.actors.dave import DaveActor
from clankvox.actors.music import MusicActor
from clankvox.actors.publish import PublishActor
from clankvox.actors.stream_publish import StreamPublishActor
from clankvox.actors.stream_watch import StreamWatchActor
from clankvox.actors.voice import VoiceActor
from clankvox.fsm.capture import CaptureState
from clankvox.fsm.connection import ConnectionState
from clankvox.fsm.dave import DaveState
from clankvox.fsm.music import MusicState
from clankvox.fsm.publish import PublishState
from tests.support.promises import KeptBeside

OUT = {ConnectionState.IDLE, ConnectionState.CLOSED}
LINKED = {ConnectionState.CONNECTING, ConnectionState.READY, ConnectionState.DAVE_TRANSITION}
RECONNECTING = {ConnectionState.RECONNECTING}
LINK = {
    "_gateway": (LINKED | RECONNECTING, OUT | RECONNECTING | {ConnectionState.AWAITING_CREDENTIALS}),
    "_resumption": (RECONNECTING, set(ConnectionState)),
    "_after_reset": (set(), set(ConnectionState)),
}
BELONGINGS = {
    VoiceActor: LINK | {"_join": (set(ConnectionState) - {ConnectionState.IDLE}, OUT)},
    StreamWatchActor: LINK | {"_order": (set(ConnectionState) - {ConnectionState.IDLE}, OUT)},
    StreamPublishActor: LINK | {"_order": (set(ConnectionState) - {ConnectionState.IDLE}, OUT)},
    DaveActor: {
        "_conversation": (set(DaveState) - {DaveState.INACTIVE}, {DaveState.INACTIVE, DaveState.NEGOTIATING}),
    },
    CaptureActor: {"_capture": (set(CaptureState) - {CaptureState.IDLE}, {CaptureState.IDLE})},
    MusicActor: {"_piece": (set(MusicState) - {MusicState.IDLE}, {MusicState.IDLE})},
    PublishActor: {
        "_request": (set(PublishState) - {PublishState.IDLE}, {PublishState.IDLE}),
        "_path": (
            {PublishState.IDLE, PublishState.PLAYING, PublishState.PAUSED},
            {PublishState.IDLE, PublishState.WAITING, PublishState.PAUSED_WAITING},
        ),
    },
}
"""For each: the states in which it may be there, and those in which it may be missing. At rest."""


def check(actors: Iterable[BaseActor]) -> None:
    """Raise KeptBeside unless everybody has what belongs to its state, and nothing else."""
    for actor in actors:
        for name, (there, missing) in BELONGINGS.get(type(actor), {}).items():
            is_there = getattr(actor, name) is not None
            KeptBeside.unless(
                actor._state in (there if is_there else missing),
                f"{type(actor).__name__} is {actor._state} {'with' if is_there else 'without'} {name}",
            )
