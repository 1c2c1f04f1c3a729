"""Pieces of music that are not the current one any more and are still heard: replaced ones, and ones being cut off.

A track that sounds is ended by playback; only when that says TrackSilenced its source is closed, so that the ramp to
silence has samples. Music actor's thread.
"""

from collections.abc import Callable
from typing import Final

from clankvox.actors.music_piece import Piece
from clankvox.ids import MusicId, Track
from clankvox.media.source_port import MusicSourcePort
from clankvox.messages.common import Message
from clankvox.messages.playback import DropTrack, FadeOutTrack
from clankvox.messages.router import MusicReplaced

FADE_OUT_MS: Final = 300


class LeavingPieces:
    """Each is here from the moment when it ceases to be current until it is silent."""

    def __init__(
        self, sources: MusicSourcePort, tell_playback: Callable[[Message], None], report: Callable[[Message], None]
    ) -> None:
        self._sources = sources
        self._tell_playback = tell_playback
        self._report = report
        self._replaced: dict[Track, Piece] = {}
        """They go on until their successor is heard; the parent is told of their end then."""
        self._dropped: dict[Track, Piece] = {}
        """They are over for the parent."""

    def __len__(self) -> int:
        """How many still have a source."""
        return len(self._replaced) + len(self._dropped)

    def of(self, track: Track) -> Piece | None:
        """Return the replaced piece that is played as `track`."""
        return self._replaced.get(track)

    def begin_anew(self, music_id: MusicId | None, current: Piece | None) -> None:
        """Say nothing of the end of what has this id: a piece that has it as well is asked for."""
        for piece in (current, *self._replaced.values()):
            if piece is not None and piece.music_id == music_id:
                piece.begins_anew = True

    def replace(self, piece: Piece) -> None:
        """Let `piece` sound until its successor crossfades from it."""
        self._replaced[piece.track] = piece

    def drop(self, piece: Piece) -> None:
        """End `piece`, of which the parent is told otherwise."""
        self._dropped[piece.track] = piece
        self._tell_playback(DropTrack(track=piece.track))

    def fade(self) -> None:
        """Fade out what waits for a successor that will never be heard."""
        for track in self._replaced:
            self._tell_playback(FadeOutTrack(track=track, fade_ms=FADE_OUT_MS))

    def cut(self) -> None:
        """End what was replaced, now: nothing sounds during a pause."""
        for track in self._replaced:
            self._tell_playback(DropTrack(track=track))

    def source_lost(self, track: Track) -> None:
        """End a replaced piece that gets no more PCM."""
        if track in self._replaced:
            self._tell_playback(DropTrack(track=track))

    def silenced(self, track: Track) -> None:
        """Take note that `track` will not sound again."""
        dropped, replaced = self._dropped.pop(track, None), self._replaced.pop(track, None)
        if dropped is not None:
            dropped.close(self._sources)
        if replaced is not None:
            replaced.close(self._sources)
            self.tell_end(replaced)

    def end(self) -> None:
        """End all, and tell the parent at once."""
        while self._replaced:
            _, piece = self._replaced.popitem()
            self.drop(piece)
            self.tell_end(piece)

    def close(self) -> None:
        """End all; nobody is left to hear the ramp."""
        self.end()
        for piece in self._dropped.values():
            piece.close(self._sources)
        self._dropped.clear()

    def tell_end(self, piece: Piece) -> None:
        """Say that `piece` is over, unless it begins anew."""
        if not piece.begins_anew:
            self._report(MusicReplaced(music_id=piece.music_id, played_ms=piece.played_ms))
