"""Pieces on their way out: each is ended once, told once, and keeps its source until it is silent."""

import pytest

from clankvox.actors.music_leaving import FADE_OUT_MS, LeavingPieces
from clankvox.actors.music_piece import Piece
from clankvox.ids import Attempt, Track
from clankvox.media.source_port import SourceRequest
from clankvox.media.track_buffer import TrackBuffer
from clankvox.messages.playback import DropTrack, FadeOutTrack
from clankvox.messages.router import MusicReplaced
from tests.support.fake_source import FakeSources

REQUEST = SourceRequest("https://example.com", direct=True)


class Exit:
    def __init__(self):
        self.sources, self.orders, self.told = FakeSources(lambda news: None), [], []
        self.pieces = LeavingPieces(self.sources, self.orders.append, self.told.append)

    def piece(self, number):
        buffer = TrackBuffer()
        self.sources.open(Attempt(number), REQUEST, buffer)
        return Piece(Track(number), buffer, REQUEST, f"m{number}", waits_for_speech=False)


@pytest.fixture
def way_out():
    return Exit()


def test_a_replaced_piece_is_told_and_closed_when_it_is_silent(way_out):
    piece = way_out.piece(1)
    way_out.pieces.replace(piece)
    assert (way_out.orders, way_out.told, way_out.sources.open_attempts) == ([], [], [1])
    assert way_out.pieces.of(1) is piece
    way_out.pieces.silenced(1)
    way_out.pieces.silenced(1)
    assert way_out.told == [MusicReplaced(music_id="m1", played_ms=0)]
    assert (way_out.sources.open_attempts, len(way_out.pieces), way_out.pieces.of(1)) == ([], 0, None)


def test_a_dropped_piece_keeps_its_source_for_the_ramp_and_is_not_told(way_out):
    way_out.pieces.drop(way_out.piece(1))
    assert (way_out.orders, way_out.sources.open_attempts) == ([DropTrack(track=1)], [1])
    way_out.pieces.silenced(1)
    assert (way_out.told, way_out.sources.open_attempts) == ([], [])


@pytest.mark.parametrize(
    ("order", "expected"), [("fade", FadeOutTrack(track=1, fade_ms=FADE_OUT_MS)), ("cut", DropTrack(track=1))]
)
def test_orders_reach_what_was_replaced_and_not_what_is_being_dropped_already(way_out, order, expected):
    way_out.pieces.drop(way_out.piece(2))
    way_out.pieces.replace(way_out.piece(1))
    way_out.orders.clear()
    getattr(way_out.pieces, order)()
    assert way_out.orders == [expected]


def test_a_replaced_piece_that_gets_no_more_pcm_is_dropped(way_out):
    way_out.pieces.replace(way_out.piece(1))
    way_out.pieces.source_lost(9)
    way_out.pieces.source_lost(1)
    assert way_out.orders == [DropTrack(track=1)]


def test_an_end_is_told_at_once_and_the_ramp_still_has_its_samples(way_out):
    way_out.pieces.replace(way_out.piece(1))
    way_out.pieces.end()
    assert (len(way_out.told), way_out.orders, way_out.sources.open_attempts) == (1, [DropTrack(track=1)], [1])
    way_out.pieces.silenced(1)
    assert (len(way_out.told), way_out.sources.open_attempts) == (1, [])


def test_a_piece_that_begins_anew_ends_without_a_word_and_no_other_one_does(way_out):
    for number in (1, 2):
        way_out.pieces.replace(way_out.piece(number))
    way_out.pieces.begin_anew("m1", None)
    way_out.pieces.silenced(1)
    way_out.pieces.end()
    assert way_out.told == [MusicReplaced(music_id="m2", played_ms=0)]
    way_out.pieces.silenced(2)
    assert way_out.sources.open_attempts == []


def test_after_close_nothing_is_left(way_out):
    way_out.pieces.replace(way_out.piece(1))
    way_out.pieces.drop(way_out.piece(2))
    way_out.pieces.close()
    assert (len(way_out.pieces), way_out.sources.open_attempts) == (0, [])
