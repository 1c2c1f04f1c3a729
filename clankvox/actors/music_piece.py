"""One piece of music as the music actor knows it."""

from collections.abc import Callable

from clankvox.fsm.music import MusicState
from clankvox.ids import PLAYBACK, Attempt, MusicId, Track
from clankvox.media.source_port import MusicSourcePort, SourceRequest
from clankvox.media.track_buffer import TrackBuffer
from clankvox.messages.common import Envelope, Message
from clankvox.messages.music import SourceFailed
from clankvox.messages.playback import TrackFilled
from clankvox.messages.router import MusicReported

_SAMPLES_PER_MS = 48


def new_buffer(track: Track, tell_router: Callable[[Message], None]) -> TrackBuffer:
    """Make the buffer of `track`; whenever there is something in it again, playback hears of it. Any thread fills."""
    return TrackBuffer(on_filled=lambda: tell_router(Envelope(to=PLAYBACK, message=TrackFilled(track=track))))


class Piece:
    """What the parent asked to hear, and the track that plays it; a lost source gives it a new track."""

    __slots__ = ("begins_anew", "buffer", "music_id", "request", "track", "waits_for_speech")

    def __init__(
        self,
        track: Track,
        buffer: TrackBuffer,
        request: SourceRequest,
        music_id: MusicId | None,
        *,
        waits_for_speech: bool,
    ) -> None:
        self.track = track
        self.buffer = buffer
        self.request = request
        self.music_id = music_id
        self.waits_for_speech = waits_for_speech
        self.begins_anew = False
        """Whether another piece of its id was asked for: the parent would take the end of this one for that one's."""

    @property
    def attempt(self) -> Attempt:
        """Number of the track's source."""
        return Attempt(self.track)

    @property
    def played_ms(self) -> int:
        """Position of what has crossed the wire, from the beginning of the piece."""
        return self.request.start_ms + self.buffer.played_samples // _SAMPLES_PER_MS

    def close(self, sources: MusicSourcePort) -> None:
        """End its source and wipe its PCM, which a source that is through with its track forgets about. Idempotent."""
        sources.close(self.attempt)
        self.buffer.close()


def report_of(
    piece: Piece | None, event: str, was: MusicState, now: MusicState, reason: str, failure: SourceFailed | None
) -> MusicReported:
    """Return what is reported of a transition; `piece` is None if there is none."""
    return MusicReported(
        music_id=None if piece is None else piece.music_id,
        event=event,
        was=was,
        now=now,
        played_ms=0 if piece is None else piece.played_ms,
        reason=reason,
        code="" if failure is None else failure.code,
        detail="" if failure is None else failure.message,
    )
