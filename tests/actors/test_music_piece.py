from clankvox.actors.music_piece import Piece
from clankvox.ids import Track
from clankvox.media.source_port import SourceRequest
from clankvox.media.track_buffer import TrackBuffer


def test_the_position_counts_from_the_beginning_of_the_piece_and_not_of_its_track():
    buffer = TrackBuffer()
    piece = Piece(
        Track(7), buffer, SourceRequest("https://example.com", True, start_ms=1_000), "m", waits_for_speech=False
    )
    assert (piece.attempt, piece.played_ms) == (7, 1_000)
    buffer.played_samples = 48 * 500
    assert piece.played_ms == 1_500
