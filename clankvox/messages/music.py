"""What the music actor receives: the parent's commands, news of the sources, and what was heard of a track."""

from clankvox.fsm.music import MusicState
from clankvox.ids import Attempt, MusicId, Track
from clankvox.messages.common import Message, ResetBaton

# --- from the parent, by way of the router ---


class PlayMusic(Message, frozen=True, kw_only=True):
    """Router: play `url`; with `direct` it is a media file, else a page. A track that sounds is replaced."""

    music_id: MusicId | None
    url: str
    direct: bool
    waits_for_speech: bool
    """Whether an announcement that is being said ends first."""

    def __repr__(self) -> str:
        """URLs carry secrets in their queries."""
        return f"PlayMusic({self.music_id!r}, direct={self.direct})"


class StopMusic(Message, frozen=True, kw_only=True):
    """Router: fade out and end. Another track's id is ignored; without an id the current track is meant."""

    music_id: MusicId | None


class PauseMusic(Message, frozen=True, kw_only=True):
    """Router: hold the music and its position."""

    music_id: MusicId | None


class ResumeMusic(Message, frozen=True, kw_only=True):
    """Router: go on where the music was."""

    music_id: MusicId | None


class SetMusicGain(Message, frozen=True, kw_only=True):
    """Router: ramp to `target` (0 to 1) within `fade_ms`; also what the next fade-in heads for."""

    music_id: MusicId | None
    target: float
    fade_ms: int


class StopAllMusic(Message, frozen=True, kw_only=True):
    """Playback: stop_playback has silenced speech; end all music at once, tell the parent, and say Settled."""


# --- from the source's shell ---


class SourceStarted(Message, frozen=True, kw_only=True):
    """Source: the first PCM of the track is in its buffer."""

    attempt: Attempt


class SourceEnded(Message, frozen=True, kw_only=True):
    """Source: all PCM of the track is in its buffer; `position_ms` is where it ends."""

    attempt: Attempt
    position_ms: int


class SourceFailed(Message, frozen=True, kw_only=True):
    """Source: no more PCM comes, and it is not the track's end.

    `code` is http_403, format_unavailable, spawn_failed, missing_stdout, no_audio, pipeline_failed or wait_failed;
    `message` has its URLs redacted by the shell.
    """

    attempt: Attempt
    code: str
    message: str
    position_ms: int


# --- from playback; played_ms counts milliseconds of the track that crossed the wire, as buffer.played_samples does ---


class TrackBegan(Message, frozen=True, kw_only=True):
    """Playback: the track's first packet crossed the wire."""

    track: Track


class TrackPosition(Message, frozen=True, kw_only=True):
    """Playback: every second while the track sounds."""

    track: Track
    played_ms: int


class TrackExhausted(Message, frozen=True, kw_only=True):
    """Playback: the source has finished and all of it was sent."""

    track: Track
    played_ms: int


class TrackSilenced(Message, frozen=True, kw_only=True):
    """Playback: the track will not sound again: faded out, replaced, or dropped."""

    track: Track
    played_ms: int


class GainReached(Message, frozen=True, kw_only=True):
    """Playback: a gain ramp or the first fade-in is complete. Track None: no track sounded."""

    track: Track | None
    gain: float


class QuietReached(Message, frozen=True, kw_only=True):
    """Playback: the answer to AwaitQuiet: no anonymous speech is being played."""

    track: Track


class QuietOverdue(Message, frozen=True, kw_only=True):
    """Own timer: the announcement does not end; the waiting track begins without it."""

    track: Track


class MusicWill(Message, frozen=True, kw_only=True):
    """Last will of a music actor that failed: where its piece was, to the millisecond."""

    music_id: MusicId | None
    played_ms: int


class MusicRevived(Message, frozen=True, kw_only=True):
    """Router: you replace an actor that failed; open its piece again where it was."""

    order: PlayMusic
    position_ms: int
    told: MusicState
    """What the parent is shown follows from it."""
    paused: bool
    stopping: bool
    """A stop was under way: all that is left is to say that it is done."""


MusicMessage = (
    PlayMusic
    | StopMusic
    | PauseMusic
    | ResumeMusic
    | SetMusicGain
    | StopAllMusic
    | SourceStarted
    | SourceEnded
    | SourceFailed
    | TrackBegan
    | TrackPosition
    | TrackExhausted
    | TrackSilenced
    | GainReached
    | QuietReached
    | QuietOverdue
    | MusicRevived
    | ResetBaton
)
