"""Films over real HTTP, behind the filtering proxy: what is read, what is refused, and how what hangs is ended."""

import contextlib
import threading

import pytest

from clankvox.clock import SystemClock
from clankvox.errors import ClankvoxError
from clankvox.media.mending import Patience
from clankvox.media.picture_source import Pulled, TimedPicture, TimedSound
from clankvox.media.png_picture import PngRefused
from clankvox.media.publish_port import PublishRequest
from clankvox.media.stream_audio import StreamAudio
from clankvox.media.video_target import VideoTarget
from clankvox.shells.publish_sources import PublishSources
from tests.media.test_png_picture import png
from tests.support.coded_video import index_of
from tests.support.media_server import MediaServer, Step
from tests.support.published import film, luma

DEADLINE_S = 20.0
TARGET = VideoTarget(320, 180, 30, 1_000_000, 60)
PATIENCE = Patience(direct_s=5.0, page_s=20.0, stall_s=5.0)


@pytest.fixture
def server():
    with MediaServer() as running:
        yield running


@pytest.fixture
def sources():
    made = PublishSources(SystemClock(), allow_private_hosts=True, patience=PATIENCE)
    yield made
    made.close()


def source_of(sources, url, *, direct=True, **options):
    line, offer = sources.make(PublishRequest(url, direct=direct, **options), TARGET, StreamAudio())
    assert offer is None
    return line._source


def pull_all(source):
    items = []
    try:
        while (item := source.pull()) is not Pulled.ENDED:
            items.append(item)
    finally:
        source.interrupt()
        source.close()
    return items


def serve_film(server, *steps, path="/film.mkv", **options):
    return server.add(path, film(suffix=".mkv", **options).read_bytes(), "video/x-matroska", *steps)


def test_a_film_over_http_is_read_whole(server, sources):
    items = pull_all(source_of(sources, serve_film(server, pictures=40)))
    assert [index_of(luma(item.picture)) for item in items] == list(range(40))


def test_its_sound_comes_if_it_is_wanted(server, sources):
    items = pull_all(source_of(sources, serve_film(server, pictures=30, sound=True), with_audio=True))
    assert {type(item) for item in items} == {TimedPicture, TimedSound}


def test_a_picture_of_its_sound_is_drawn_in_the_targets_size(server, sources):
    url = serve_film(server, pictures=30, sound=True)
    items = pull_all(source_of(sources, url, visualizer_mode="waves"))
    assert {(item.picture.width, item.picture.height) for item in items} == {(320, 180)}
    assert len(items) > 20


def test_a_private_host_is_refused_unless_it_is_allowed(server):
    strict = PublishSources(SystemClock(), patience=PATIENCE)
    with pytest.raises(ClankvoxError, match="allow-private-hosts"):
        pull_all(source_of(strict, serve_film(server, pictures=5)))
    strict.close()


def test_a_redirect_to_a_file_reaches_nothing(server, sources, tmp_path):
    (tmp_path / "film.mkv").write_bytes(film(suffix=".mkv", pictures=5).read_bytes())
    with pytest.raises(ClankvoxError):
        pull_all(source_of(sources, server.redirect("/to-file", f"file://{tmp_path}/film.mkv")))


@pytest.mark.parametrize("url", ["file:///etc/hostname", "/etc/hostname", "concat:a|b", "rtmp://h/x", ""])
def test_what_is_not_http_is_refused(sources, url):
    with pytest.raises(ClankvoxError):
        pull_all(source_of(sources, url))


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_refusing_server_gives_a_reason_without_the_url(server, sources, status):
    url = serve_film(server, Step(status=status), path="/secret.mkv", pictures=5)
    with pytest.raises(ClankvoxError) as failure:
        pull_all(source_of(sources, url))
    assert "secret" not in str(failure.value)
    assert str(failure.value)


def test_a_connection_that_breaks_off_is_no_end(server, sources):
    size = len(film(suffix=".mkv", pictures=60).read_bytes())
    cuts = [Step(cut_after=size // 3)] + [Step(status=500)] * 20
    source = source_of(sources, serve_film(server, *cuts, pictures=60))
    with pytest.raises(ClankvoxError):
        pull_all(source)


@pytest.mark.parametrize("stall_after", [-1, 2_000])
def test_a_read_that_hangs_ends_as_soon_as_it_is_interrupted(server, stall_after):
    patience = Patience(direct_s=600.0, stall_s=600.0)
    patient = PublishSources(SystemClock(), allow_private_hosts=True, patience=patience)
    source = source_of(patient, serve_film(server, Step(stall_after=stall_after), pictures=60))
    ended = threading.Event()

    def read():
        with contextlib.suppress(ClankvoxError):
            pull_all(source)
        ended.set()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    assert server.stalled.acquire(timeout=DEADLINE_S)
    source.interrupt()
    assert ended.wait(DEADLINE_S)
    thread.join()
    patient.close()


def test_nothing_is_opened_after_an_interruption(server, sources):
    source = source_of(sources, serve_film(server, pictures=5))
    source.interrupt()
    with pytest.raises(ClankvoxError):
        source.pull()
    assert not server.hits


def test_a_page_is_searched_by_yt_dlp(server, sources):
    pytest.importorskip("yt_dlp")
    url = server.add("/film.mp4", film(pictures=10).read_bytes(), "video/mp4")
    page = server.add("/page", f'<html><title>t</title><video src="{url}"></video></html>'.encode(), "text/html")
    assert len(pull_all(source_of(sources, page, direct=False))) == 10


def test_without_a_url_the_parent_sends_the_pictures(sources):
    line, offer = sources.make(PublishRequest(None), TARGET, None)
    assert line._source.live
    with pytest.raises(PngRefused):
        offer(png(16_384, 16_384, data=b"x"), 1)
    offer(png(), 1)
    assert isinstance(line._source.pull(), TimedPicture)
