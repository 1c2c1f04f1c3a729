"""Where music comes from: what the music actor needs of the shell that reads sources."""

from typing import NamedTuple, Protocol

from clankvox.ids import Attempt
from clankvox.media.track_buffer import TrackBuffer


class SourceRequest(NamedTuple):
    """What to read. Its repr shows nothing of the URL but how it begins: paths and queries carry credentials."""

    url: str
    direct: bool
    """The URL is media itself; else it is a page, and yt-dlp finds the media."""
    start_ms: int = 0
    """Where in the track to begin."""

    def __repr__(self) -> str:
        """See the class."""
        scheme, separator, _ = self.url.partition("://")
        shown = scheme.lower() if separator and scheme.isascii() and scheme.isalpha() else "path"
        return f"SourceRequest({shown}, direct={self.direct}, start_ms={self.start_ms})"


class MusicSourcePort(Protocol):
    """Reads tracks into buffers, in threads of its own; no method blocks.

    News come as messages.music.SourceStarted, SourceEnded and SourceFailed. After `close` none follow but those
    that were on their way; the attempt that they carry tells them apart.
    """

    def open(self, attempt: Attempt, request: SourceRequest, buffer: TrackBuffer) -> None:
        """Begin to read into `buffer` as 48 kHz stereo, as fast as it has room; at the end of the track finish it.

        A dropped or stalled connection is mended at the exact sample, so that only what cannot be mended is told.
        """
        ...

    def close(self, attempt: Attempt) -> None:
        """Close the attempt's buffer and end its thread, connections and child; idempotent."""
        ...

    def close_all(self) -> None:
        """End every attempt, at the end of the process: children are gone within 100 ms."""
        ...
