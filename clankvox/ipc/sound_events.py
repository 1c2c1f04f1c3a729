"""Events of sound: what we say, and what is heard of others."""

from typing import ClassVar

from clankvox.ids import CaptureId, PlaybackId, Role, UserId
from clankvox.ipc.event import BaseEvent
from clankvox.ipc.statuses import ArmedReason, LaneName, TtsStatus


class PlaybackArmed(BaseEvent, frozen=True, kw_only=True):
    """The mixer can take a new source. Said only in a call that is connected."""

    reason: ArmedReason


class TtsPlaybackState(BaseEvent, frozen=True, kw_only=True):
    """A TTS playback changed.

    `reason` is a TtsReason, the reason of the reset or stop that ended it, or `internal_error` where a fault of ours
    lost what was left of it: another playback can begin at once.
    """

    playback_id: PlaybackId | None = None
    status: TtsStatus
    reason: str | None = None
    played_ms: int | None = None
    """An addition, with an id, at its end: how much of it crossed the wire."""


class BufferDepth(BaseEvent, frozen=True, kw_only=True):
    """What is buffered for sending, in samples at 48 kHz.

    In answer to each chunk of speech with an id, every 500 ms while anything is buffered, and once when nothing is.
    """

    is_telemetry: ClassVar[bool] = True

    tts_samples: int
    music_samples: int


class TtsBufferOverflow(BaseEvent, frozen=True, kw_only=True):
    """TTS came faster than it could be buffered. `buffer_*` is what would have been buffered, at 48 kHz."""

    playback_id: PlaybackId | None = None
    dropped_samples: int
    dropped_ms: int
    buffer_samples: int
    buffer_ms: int


class SpeakingStart(BaseEvent, frozen=True, kw_only=True):
    """A user began to send audio. `capture_id` only while a capture with an id is open."""

    user_id: UserId
    capture_id: CaptureId | None = None


class SpeakingEnd(BaseEvent, frozen=True, kw_only=True):
    """A user stopped sending audio."""

    user_id: UserId
    capture_id: CaptureId | None = None


class UserAudioEnd(BaseEvent, frozen=True, kw_only=True):
    """The captured utterance is over; queued behind its last PCM.

    Media times as those of `segment`, an addition: only for a capture that asked for `timeline`. `role`, an addition:
    only for the sound of a watched stream.
    """

    lane: ClassVar[LaneName] = LaneName.AUDIO

    role: Role | None = None
    user_id: UserId
    capture_id: CaptureId | None = None
    start_ms: float | None = None
    end_ms: float | None = None


class Segment(BaseEvent, frozen=True, kw_only=True):
    """What the captured utterance was. An addition, queued behind its last PCM, right before its `user_audio_end`.

    Only for a capture that asked for `timeline`, `preRollMs` or `minSpeechMs`.
    Times are of the process's timeline (48 kHz ticks of audio format 2, divided by 48). `peak` is 0 to 32768,
    `mean_level_dbfs` the root mean square from -100 to 0. `role` only for the sound of a watched stream.
    """

    lane: ClassVar[LaneName] = LaneName.AUDIO

    role: Role | None = None
    user_id: UserId
    capture_id: CaptureId | None = None
    start_ms: float
    end_ms: float
    speech_ms: int
    peak: int
    mean_level_dbfs: float
