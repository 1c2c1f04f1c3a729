import pytest

from clankvox.ids import Attempt
from clankvox.media.source_port import MusicSourcePort, SourceRequest
from clankvox.media.track_buffer import TrackBuffer
from clankvox.messages.music import SourceEnded, SourceStarted
from clankvox.shells.music_source import MusicSources
from tests.support.encoded import KINDS, encoded
from tests.support.media_server import Step
from tests.support.source_bench import SourceBench


@pytest.fixture
def bench():
    bench = SourceBench()
    yield bench
    bench.close()


def serve(bench, *steps):
    return bench.server.add("/a.mp3", encoded("mp3"), KINDS["mp3"].content_type, *steps)


def test_it_is_what_the_music_actor_wants():
    sources: MusicSourcePort = MusicSources(lambda message: None)
    sources.close_all()


def test_two_tracks_at_a_time_are_told_apart(bench):
    url = serve(bench)
    first, second = bench.open(url), bench.open(url)
    assert len(first.take()) == len(second.take()) == 288_000
    for playing in (first, second):
        assert [type(news) for news in playing.news] == [SourceStarted, SourceEnded]
        assert playing.last.position_ms == 6_000
    assert bench.strays.empty()


def test_an_attempt_that_is_opened_again_ends_the_older_one(bench):
    older = bench.open(serve(bench, Step(stall_after=80_000)))
    older.wait_news(SourceStarted)
    newer = TrackBuffer()
    bench.sources.open(older.attempt, SourceRequest(serve(bench), direct=True), newer)
    assert older.buffer.closed
    assert newer.wait_room(96_000, 10.0)


def test_a_buffer_that_its_consumer_closes_ends_the_worker(bench):
    playing = bench.open(serve(bench))
    playing.wait_news(SourceStarted)
    playing.buffer.close()
    assert not any(isinstance(news, SourceEnded) for news in playing.news)


def test_unknown_attempts_may_be_closed(bench):
    bench.sources.close(Attempt(99))


def test_after_the_end_of_everything_nothing_begins(bench):
    bench.sources.close_all()
    assert bench.fail(serve(bench)).message == "there is no way into the network"


def test_no_secret_is_in_what_is_logged(bench, caplog):
    caplog.set_level("DEBUG")
    size = len(encoded("mp3"))
    bench.play(serve(bench, Step(cut_after=size // 2), Step(cut_after=0), Step()) + "?token=hush")
    assert "source broke" in caplog.text
    assert "hush" not in caplog.text
    assert "http://" not in caplog.text
