"""What the playback actor (TTS and the mix) receives."""

from clankvox.ids import PlaybackId, Ssrc, Track
from clankvox.media.packet_sealer import PacketSealer
from clankvox.media.track_buffer import TrackBuffer
from clankvox.messages.common import Message, ResetBaton
from clankvox.ports import SlotReport


class PlayTts(Message, frozen=True, kw_only=True):
    """Router: PCM of a playback, s16le mono, or the reason why there is none. The receiver wipes `pcm`."""

    playback_id: PlaybackId | None
    pcm: bytearray | None
    refusal: str | None
    sample_rate_hz: int

    def __repr__(self) -> str:
        """Speech is not for logs."""
        return f"PlayTts({self.sample_rate_hz} Hz, {len(self.pcm or b'')} bytes)"


class FinishTts(Message, frozen=True, kw_only=True):
    """Router: all PCM of the playback was given."""

    playback_id: PlaybackId | None


class StopTts(Message, frozen=True, kw_only=True):
    """Router: be silent now; music is untouched."""

    playback_id: PlaybackId | None


class StopPlayback(Message, frozen=True, kw_only=True):
    """Router: clear everything that would be heard."""


class PathOpened(Message, frozen=True, kw_only=True):
    """Connection: audio may be sealed and sent; a path of an older attempt is replaced."""

    ssrc: Ssrc
    sealer: PacketSealer


class PathSuspended(Message, frozen=True, kw_only=True):
    """Connection: the link is lost for now; keep what is queued."""


class GateChanged(Message, frozen=True, kw_only=True):
    """DAVE actor: what may leave has changed; look at the cipher."""


class SlotServed(Message, frozen=True, kw_only=True):
    """Pacer thread, told directly: a slot is over; prepare the next one."""

    path: int
    report: SlotReport


# --- music, from the music actor by way of the router ---


class OfferTrack(Message, frozen=True, kw_only=True):
    """Music: this track is the current one from its first PCM on.

    It crossfades from the track that sounds, or fades in over `fade_in_ms` from silence. A track that was offered
    before and has not begun is dropped.
    """

    track: Track
    buffer: TrackBuffer
    fade_in_ms: int


class TrackFilled(Message, frozen=True, kw_only=True):
    """Source: there is PCM, or the end of it (TrackBuffer.on_filled); look again."""

    track: Track


class HoldTrack(Message, frozen=True, kw_only=True):
    """Music: pause; the track is faded out within one frame and keeps its place."""

    track: Track


class ReleaseTrack(Message, frozen=True, kw_only=True):
    """Music: go on where the track was held."""

    track: Track


class FadeOutTrack(Message, frozen=True, kw_only=True):
    """Music: fade to silence within `fade_ms` of time, whether samples flow or not; TrackSilenced follows."""

    track: Track
    fade_ms: int


class CancelFadeOut(Message, frozen=True, kw_only=True):
    """Music: the track shall sound after all; its gain comes back."""

    track: Track


class DropTrack(Message, frozen=True, kw_only=True):
    """Music: end the track now; TrackSilenced follows. What sounds is ramped down within 5 ms."""

    track: Track


class SetGain(Message, frozen=True, kw_only=True):
    """Music: ramp the gain of music from what it is to `target` (0 to 1) within `fade_ms`; GainReached follows.

    `track` is the one to name in the answer.
    """

    target: float
    fade_ms: int
    track: Track | None


class SetDucking(Message, frozen=True, kw_only=True):
    """Router: multiply the gain of music with `target` while speech sounds; 1.0 means never."""

    target: float
    attack_ms: int
    release_ms: int


class AwaitQuiet(Message, frozen=True, kw_only=True):
    """Music: answer QuietReached as soon as no anonymous speech is being played, which may be now.

    Only the last one that was asked is answered.
    """

    track: Track


class MixDue(Message, frozen=True, kw_only=True):
    """Own timer: a fade is complete, or the position is due."""


class BufferPoll(Message, frozen=True, kw_only=True):
    """Own timer while nothing is sent: look whether enough is buffered to begin."""


class DepthDue(Message, frozen=True, kw_only=True):
    """Own timer: report the buffer depth (every 500 ms while there is any)."""


class SpeechLost(Message, frozen=True, kw_only=True):
    """Router: you replace an actor that failed; take no more of what failed, and tell what was lost with it."""

    failed_ids: tuple[PlaybackId, ...]
    """Playbacks that have failed before."""
    lost: tuple[PlaybackId | None, ...]
    """Playbacks that the parent waits for; the one that was open comes first."""
    played_ms: int | None = None
    """How much of that one was heard, as far as it was told."""


MixMessage = (
    OfferTrack
    | TrackFilled
    | HoldTrack
    | ReleaseTrack
    | FadeOutTrack
    | CancelFadeOut
    | DropTrack
    | SetGain
    | SetDucking
    | AwaitQuiet
    | MixDue
)
"""What is about music."""

PlaybackMessage = (
    PlayTts
    | FinishTts
    | StopTts
    | StopPlayback
    | PathOpened
    | PathSuspended
    | GateChanged
    | SlotServed
    | MixMessage
    | BufferPoll
    | DepthDue
    | SpeechLost
    | ResetBaton
)
