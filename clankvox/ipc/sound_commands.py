"""Commands of sound: what to say, and whom to capture."""

from typing import Final

from clankvox.errors import InvalidRequest
from clankvox.ids import CaptureId, PlaybackId, Role, UserId
from clankvox.ipc import dialects
from clankvox.ipc.command import U32, BaseCommand

MIN_RATE_HZ: Final = 8_000
MAX_RATE_HZ: Final = 48_000


class Audio(BaseCommand, frozen=True, kw_only=True):
    """A chunk of speech to say: s16le mono at `sample_rate`, 8000 to 48000 Hz (see decoding.decode_pcm)."""

    playback_id: PlaybackId | None = None
    pcm_base64: str
    sample_rate: U32 = 24_000

    def __post_init__(self) -> None:
        dialects.check_playback_id(self.playback_id)


class FinishTtsPlayback(BaseCommand, frozen=True, kw_only=True):
    """No more speech of this playback follows."""

    playback_id: PlaybackId | None = None

    def __post_init__(self) -> None:
        dialects.check_playback_id(self.playback_id)


class StopTtsPlayback(BaseCommand, frozen=True, kw_only=True):
    """Be silent at once; music goes on."""

    playback_id: PlaybackId | None = None

    def __post_init__(self) -> None:
        dialects.check_playback_id(self.playback_id)


class StopPlayback(BaseCommand, frozen=True, kw_only=True):
    """Stop speech and music."""


class SubscribeUser(BaseCommand, frozen=True, kw_only=True):
    """Capture a user's speech as s16le mono at `sample_rate` Hz.

    Additions: `timeline`, `pre_roll_ms`, `min_speech_ms`, and `role` (stream_watch: the stream's sound; nothing is
    received on stream_publish, so it is `invalid_request`).
    """

    user_id: UserId
    capture_id: CaptureId | None = None
    silence_duration_ms: U32 = 700
    sample_rate: U32 = 24_000
    role: Role = Role.VOICE
    timeline: bool = False
    pre_roll_ms: U32 = 0
    min_speech_ms: U32 = 0

    def __post_init__(self) -> None:
        dialects.check_capture_id(self.capture_id)
        _check_inbound(self.role)
        self._clamp("silence_duration_ms", 100, 5_000)
        self._clamp("sample_rate", MIN_RATE_HZ, MAX_RATE_HZ)
        self._clamp("pre_roll_ms", 0, 2_000)
        self._clamp("min_speech_ms", 0, 5_000)


class UnsubscribeUser(BaseCommand, frozen=True, kw_only=True):
    """Stop capturing a user. `role` is an addition; stream_publish is `invalid_request`."""

    user_id: UserId
    role: Role = Role.VOICE

    def __post_init__(self) -> None:
        _check_inbound(self.role)


def _check_inbound(role: Role) -> None:
    if role is Role.STREAM_PUBLISH:
        raise InvalidRequest("nothing is received on stream_publish")
