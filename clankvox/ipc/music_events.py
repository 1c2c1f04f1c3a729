"""Events of music, and of how much of it or of speech was heard."""

from typing import ClassVar

from clankvox.ids import MusicId, PlaybackId
from clankvox.ipc.event import BaseEvent
from clankvox.ipc.statuses import MusicErrorCode, PlayerStatus


class PlayerState(BaseEvent, frozen=True, kw_only=True):
    """The current track changed."""

    status: PlayerStatus
    music_id: MusicId | None = None
    played_ms: int | None = None
    """An addition, with an id, when paused or idle: how much of the track crossed the wire."""


class MusicIdle(BaseEvent, frozen=True, kw_only=True):
    """The track ended or was stopped. `played_ms`, an addition with an id: how much of it crossed the wire."""

    music_id: MusicId | None = None
    played_ms: int | None = None


class MusicError(BaseEvent, frozen=True, kw_only=True):
    """The track failed. `message` has its URLs redacted by whoever wrote it."""

    music_id: MusicId | None = None
    code: MusicErrorCode
    message: str


class MusicGainReached(BaseEvent, frozen=True, kw_only=True):
    """A gain ramp reached its target, or the fade-in of a piece is complete: then `gain` is what was set before.

    Do not wait for it without a limit. It is not said outside of a call that is connected, of a ramp that another one
    replaced before its end, or of a piece that has ended meanwhile.
    """

    music_id: MusicId | None = None
    gain: float


class PlaybackPosition(BaseEvent, frozen=True, kw_only=True):
    """How much of a playback or a track with an id crossed the wire: every second while it sounds. An addition.

    Of a track also at its first packet.
    """

    is_telemetry: ClassVar[bool] = True

    playback_id: PlaybackId | None = None
    music_id: MusicId | None = None
    played_ms: int
