"""What the router receives: the parent's side (commands, ends) and the actors' side (envelopes, reports).

Reports say what happened; the router projects them to events of the parent contract. No actor but the router
knows an event.
"""

import msgspec

from clankvox.errors import CommandError
from clankvox.fsm.connection import ConnectionState
from clankvox.fsm.dave import DaveState
from clankvox.fsm.music import MusicState
from clankvox.fsm.publish import PublishState
from clankvox.ids import CaptureId, ChannelId, ConnectionId, GuildId, MusicId, PlaybackId, Role, Ssrc, UserId
from clankvox.media.segment import Segment
from clankvox.messages.common import ActorFailed, Envelope, Inspected, Message, ResetBaton
from clankvox.wire.gateway_ops import StreamDescription


class CommandReceived(Message, frozen=True, kw_only=True):
    """Stdin shell: one valid command (a clankvox.ipc.commands struct)."""

    command: msgspec.Struct


class LineRejected(Message, frozen=True, kw_only=True):
    """Stdin shell: one line that is no valid command."""

    error: CommandError


class StopRequested(Message, frozen=True, kw_only=True):
    """Stdin shell (end of input), signal shell, or a broken stdout: end the process."""

    exit_code: int
    reason: str
    at_once: bool = False
    """A signal does not wait for commands that were read before; the end of the input does."""


class StopOverdue(Message, frozen=True, kw_only=True):
    """Own timer: an actor did not finish its part of the shutdown in time."""


class StatisticsDue(Message, frozen=True, kw_only=True):
    """Own timer: transport_stats every 5 s while a role is connected."""


class InspectionRequested(Message, frozen=True, kw_only=True):
    """Signal shell: write a description of all actors to stderr."""


class InspectionOverdue(Message, frozen=True, kw_only=True):
    """Own timer: whoever has not described itself by now is named as silent."""

    ticket: int


class SettleOverdue(Message, frozen=True, kw_only=True):
    """Own timer: the connection command of `ticket` did not settle in time; go on."""

    ticket: int


class Settled(Message, frozen=True, kw_only=True):
    """Connection or music: the command that ran through several actors has taken effect."""


class ResetRequested(Message, frozen=True, kw_only=True):
    """Connection: send the reset baton round (see ResetBaton) and back to me."""

    ticket: int
    role: Role
    reason: str
    connection_id: ConnectionId | None


class CaptureIdle(Message, frozen=True, kw_only=True):
    """Capture: nobody listens to this user and the user is gone; the actor can be retired.

    `handled` counts the messages that it has seen: the router retires it only if it has sent no more than those.
    """

    role: Role
    user_id: UserId
    handled: int


class StreamsSuspended(Message, frozen=True, kw_only=True):
    """Connection: the link of `role` is lost for now; tell every capture of the role."""

    role: Role


class AdapterSendRequested(Message, frozen=True, kw_only=True):
    """Connection: the parent must send op 4 on its main gateway (channel None: leave).

    With the op 4 of a join the call that it names begins for the parent.
    """

    connection_id: ConnectionId | None = None
    guild_id: GuildId
    channel_id: ChannelId | None
    self_mute: bool


class ConnectionReported(Message, frozen=True, kw_only=True):
    """Connection: a transition of its machine that the parent may have to know."""

    role: Role
    connection_id: ConnectionId | None
    event: str
    was: ConnectionState
    now: ConnectionState
    reason: str
    detail: str = ""
    """A human sentence for `error`, without secrets."""
    was_ever_ready: bool = False
    media_goes_on: bool = False
    """Only the WebSocket is gone, and what depends on media is as before."""
    awaits_move: bool = False
    """We were disconnected from the channel: unless we were moved, the call is over, and nobody asks for it again."""


class RecoveryReported(Message, frozen=True, kw_only=True):
    """Connection: its watchdog has proof that nothing is heard although members speak, and does something about it."""

    role: Role
    connection_id: ConnectionId | None
    step: str
    reason: str


class DaveReported(Message, frozen=True, kw_only=True):
    """DAVE actor: a transition of its machine. `reset` reports also when nothing changed."""

    role: Role
    connection_id: ConnectionId | None
    was: DaveState
    now: DaveState
    version: int
    reset: bool = False


class TtsReported(Message, frozen=True, kw_only=True):
    """Playback: status is buffered, started, drained, stopped or failed."""

    playback_id: PlaybackId | None
    status: str
    reason: str | None = None
    played_ms: int | None = None
    """At its end: how much of it crossed the wire."""


class TtsPositionReported(Message, frozen=True, kw_only=True):
    """Playback: how much of a playback with an id crossed the wire, every second."""

    playback_id: PlaybackId
    played_ms: int


class TtsChunkRefused(Message, frozen=True, kw_only=True):
    """Playback: a chunk was not taken (and with an id, its playback has failed)."""

    playback_id: PlaybackId | None
    reason: str
    played_ms: int | None = None
    """If the playback was under way: how much of it crossed the wire."""


class TtsOverflowed(Message, frozen=True, kw_only=True):
    """Playback: PCM did not fit."""

    playback_id: PlaybackId | None
    dropped_samples: int
    buffer_samples: int
    played_ms: int | None = None
    """How much of the playback crossed the wire."""


class BufferDepthReported(Message, frozen=True, kw_only=True):
    """Playback: samples at 48 kHz that are queued."""

    tts_samples: int
    music_samples: int


class MusicReported(Message, frozen=True, kw_only=True):
    """Music: a transition of its machine, or a command that changed nothing (then `was` is `now`)."""

    music_id: MusicId | None
    event: str
    was: MusicState
    now: MusicState
    played_ms: int = 0
    reason: str = ""
    """Of a stop: music_stop, stop_playback, or that of the reset."""
    code: str = ""
    """Of a failure: what kind, as the source classified it."""
    detail: str = ""
    """Of a failure: a human sentence, without URLs."""


class MusicReplaced(Message, frozen=True, kw_only=True):
    """Music: a track that another one took the place of is silent now."""

    music_id: MusicId | None
    played_ms: int


class MusicUnplayable(Message, frozen=True, kw_only=True):
    """Music: music_play with an empty id or URL; what plays is untouched."""

    music_id: MusicId | None


class MusicGainReported(Message, frozen=True, kw_only=True):
    """Music: a ramp of its gain is complete."""

    music_id: MusicId | None
    gain: float


class MusicPositionReported(Message, frozen=True, kw_only=True):
    """Music: how much of the track crossed the wire."""

    music_id: MusicId | None
    played_ms: int


class PublishReported(Message, frozen=True, kw_only=True):
    """Publish: a transition of its machine; `linked` tells whether there is a connection."""

    event: str
    was: PublishState
    now: PublishState
    linked: bool
    reason: str = ""


class PublishRefused(Message, frozen=True, kw_only=True):
    """Publish: a command was not carried out; `waiting` if it may be once its source is started."""

    reason: str
    waiting: bool = False


class PublishMediaStarted(Message, frozen=True, kw_only=True):
    """Publish: the first picture of a source was sent on this connection."""

    connection: int
    source: int


class RequestRefused(Message, frozen=True, kw_only=True):
    """Any actor: a command cannot be carried out (error invalid_request)."""

    message: str


class RuntimeFailed(Message, frozen=True, kw_only=True):
    """Any actor of a role: error voice_runtime_error with this human sentence."""

    role: Role
    connection_id: ConnectionId | None
    message: str


class SpeakingReported(Message, frozen=True, kw_only=True):
    """Capture: the user began or ceased to speak; the id is that of a live capture."""

    role: Role = Role.VOICE
    user_id: UserId
    capture_id: CaptureId | None
    speaking: bool


class CaptureEnded(Message, frozen=True, kw_only=True):
    """Capture: user_audio_end, behind the PCM that it ends; before it the segment, if the capture asked for one."""

    role: Role = Role.VOICE
    user_id: UserId
    capture_id: CaptureId | None
    segment: Segment | None = None
    timeline: bool = False
    """The capture asked when things were."""


class MemberLeft(Message, frozen=True, kw_only=True):
    """Capture or connection: client_disconnect, after the user's endings."""

    role: Role = Role.VOICE
    user_id: UserId


class VideoReported(Message, frozen=True, kw_only=True):
    """Video: what the user sends on this role now."""

    role: Role
    user_id: UserId
    audio_ssrc: Ssrc | None
    video_ssrc: Ssrc | None
    streams: tuple[StreamDescription, ...]


class VideoGone(Message, frozen=True, kw_only=True):
    """Video: the user sends nothing any more on this role; the SSRC names what it was."""

    role: Role
    user_id: UserId
    ssrc: Ssrc | None


Report = (
    AdapterSendRequested
    | ConnectionReported
    | RecoveryReported
    | DaveReported
    | TtsReported
    | TtsPositionReported
    | TtsChunkRefused
    | TtsOverflowed
    | BufferDepthReported
    | MusicReported
    | MusicReplaced
    | MusicUnplayable
    | MusicGainReported
    | MusicPositionReported
    | RequestRefused
    | RuntimeFailed
    | SpeakingReported
    | CaptureEnded
    | MemberLeft
    | VideoReported
    | VideoGone
    | PublishReported
    | PublishRefused
    | PublishMediaStarted
)

RouterMessage = (
    CommandReceived
    | LineRejected
    | StopRequested
    | StopOverdue
    | StatisticsDue
    | SettleOverdue
    | InspectionRequested
    | InspectionOverdue
    | Inspected
    | Settled
    | ResetRequested
    | ResetBaton
    | CaptureIdle
    | StreamsSuspended
    | ActorFailed
    | Envelope
    | Report
)
