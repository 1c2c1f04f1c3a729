"""One piece of music as the music actor knows it."""

from clankvox.ids import Attempt, MusicId, Track
from clankvox.media.source_port import MusicSourcePort, SourceRequest
from clankvox.media.track_buffer import TrackBuffer

_SAMPLES_PER_MS = 48


class Piece:
    """What the parent asked to hear, and the track that plays it; a lost source gives it a new track."""

    __slots__ = ("buffer", "music_id", "request", "track", "waits_for_speech")

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
