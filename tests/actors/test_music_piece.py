import numpy as np

from clankvox.actors.music_piece import Piece
from clankvox.ids import Track
from clankvox.media.source_port import SourceRequest
from clankvox.media.track_buffer import TrackBuffer
from tests.support.fake_source import FakeSources


def test_the_position_counts_from_the_beginning_of_the_piece_and_not_of_its_track():
    buffer = TrackBuffer()
    piece = Piece(
        Track(7), buffer, SourceRequest("https://example.com", True, start_ms=1_000), "m", waits_for_speech=False
    )
    assert (piece.attempt, piece.played_ms) == (7, 1_000)
    buffer.played_samples = 48 * 500
    assert piece.played_ms == 1_500


def test_a_piece_that_is_over_keeps_no_pcm_even_if_its_source_has_forgotten_it():
    buffer, sources = TrackBuffer(), FakeSources(lambda news: None)
    buffer.put_now(np.ones((960, 2), np.int16))
    piece = Piece(Track(7), buffer, SourceRequest("https://example.com", direct=True), None, waits_for_speech=True)
    piece.close(sources)
    piece.close(sources)
    assert (buffer.closed, buffer.buffered_samples) == (True, 0)
