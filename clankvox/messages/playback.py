"""What the playback actor (TTS and the mix) receives."""

from clankvox.ids import PlaybackId, Ssrc
from clankvox.media.packet_sealer import PacketSealer
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


class BufferPoll(Message, frozen=True, kw_only=True):
    """Own timer while nothing is sent: look whether enough is buffered to begin."""


class DepthDue(Message, frozen=True, kw_only=True):
    """Own timer: report the buffer depth (every 500 ms while there is any)."""


PlaybackMessage = (
    PlayTts
    | FinishTts
    | StopTts
    | StopPlayback
    | PathOpened
    | PathSuspended
    | GateChanged
    | SlotServed
    | BufferPoll
    | DepthDue
    | ResetBaton
)
