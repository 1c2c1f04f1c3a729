"""What becomes of a source over a bad network: real files, the real server, FFmpeg and the proxy."""

import itertools

import numpy as np
import pytest

from clankvox.media.mending import Patience
from clankvox.messages.music import SourceFailed, SourceStarted
from clankvox.shells import filter_proxy
from tests.support.encoded import KINDS, encoded, hls, stereo_signal, video_only
from tests.support.media_server import Step
from tests.support.source_bench import QUICK, SourceBench

PLAYLIST = "application/vnd.apple.mpegurl"
EXACT = {"flac", "opus", "webm", "mp3", "vbr.mp3", "vorbis", "wav"}
NOISE_OF_AAC = 200
"""AAC substitutes noise, anew in each decoding: about -45 dB of full scale."""


@pytest.fixture(scope="module")
def shared():
    bench = SourceBench()
    bench.sources._proxy.open_session().close()  # its listener lives as long as the fixture
    yield bench
    bench.close()


@pytest.fixture(scope="module", autouse=True)
def bench(shared):
    return shared


def serve(bench, name, *steps, **how):
    return bench.server.add(f"/{name}", encoded(name), KINDS[name].content_type, *steps, **how)


def same(pcm, reference, name):
    assert len(pcm) == len(reference)
    worst = int(np.abs(pcm.astype(int) - reference).max())
    assert worst <= (0 if name in EXACT else NOISE_OF_AAC), worst


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_codec_plays_whole_with_its_channels_apart(bench, name):
    pcm = bench.play(serve(bench, name)).astype(float)
    signal = stereo_signal(48_000).astype(float)
    assert abs(len(pcm) - len(signal)) <= 3_000  # encoders pad, and ADTS cannot say how much
    begin, count = 24_000, 48_000
    sweep, longer = signal[begin : begin + count, 0], pcm[begin : begin + count + 3_000, 0]
    lag = int(np.argmax(np.correlate(longer[: 2_000 + 3_000], sweep[:2_000], "valid")))
    assert np.corrcoef(longer[lag : lag + count], sweep)[0, 1] > 0.999
    levels = np.sqrt(np.mean(pcm[begin : begin + count] ** 2, axis=0)) / np.sqrt(
        np.mean(signal[begin : begin + count] ** 2, axis=0)
    )
    assert np.all(np.abs(20 * np.log10(levels)) < 0.5)
    assert abs(np.corrcoef(pcm[begin : begin + count].T)[0, 1]) < 0.1


@pytest.mark.parametrize("name", sorted(KINDS))
@pytest.mark.parametrize(
    ("how", "after"),
    [
        ({}, (Step(),)),
        ({}, (Step(cut_after=0), Step())),
        ({"ranges": False}, (Step(),)),
        ({"chunked": True}, (Step(),)),
    ],
    ids=["reconnected", "reopened", "no-ranges", "chunked"],
)
def test_a_connection_that_is_cut_in_mid_track_leaves_no_trace_in_the_samples(bench, name, how, after):
    reference = bench.play(serve(bench, name, **how))
    hits = len(bench.server.hits)
    same(bench.play(serve(bench, name, Step(cut_after=len(encoded(name)) // 2), *after, **how)), reference, name)
    assert len(bench.server.hits) > hits + 1


@pytest.mark.parametrize("name", sorted(KINDS.keys() - {"aac", "opus", "vorbis"}))
def test_nor_does_one_that_stalls(bench, name):
    """Of the others FFmpeg reads the end, or nearly all of so short a file, before it begins."""
    reference = bench.play(serve(bench, name))
    same(bench.play(serve(bench, name, Step(stall_after=len(encoded(name)) // 2), Step())), reference, name)


def test_hls_plays_and_a_segment_that_fails_once_is_fetched_again(bench):
    for path, data in hls().items():
        bench.server.add(f"/hls/{path}", data, PLAYLIST if path.endswith("m3u8") else "video/mp2t")
    url, segment = bench.server.url("/hls/index.m3u8"), hls()["segment2.ts"]
    reference = bench.play(url)
    assert len(reference) / 48_000 == pytest.approx(6.03, abs=0.05)
    for step in (Step(status=403), Step(cut_after=10_000), Step(stall_after=10_000)):
        bench.server.add("/hls/segment2.ts", segment, "video/mp2t", step, Step())
        same(bench.play(url), reference, "hls")


def test_a_segment_that_stays_away_is_left_out_and_the_rest_plays(bench):
    for path, data in hls().items():
        bench.server.add(f"/gap/{path}", data, PLAYLIST if path.endswith("m3u8") else "video/mp2t")
    bench.server.add("/gap/segment2.ts", b"", "video/mp2t", Step(status=404))
    pcm = bench.play(bench.server.url("/gap/index.m3u8"))
    assert len(pcm) / 48_000 == pytest.approx(5.04, abs=0.05)


def test_a_segment_that_nothing_comes_of_is_no_end_of_the_track(bench):
    for name, data in hls().items():
        bench.server.add(f"/late/{name}", data, "application/vnd.apple.mpegurl")
    bench.server.add("/late/segment3.ts", hls()["segment3.ts"], "video/mp2t", Step(stall_after=-1), Step())
    whole = bench.play(bench.server.url("/late/index.m3u8"))
    assert len(whole) > 280_000


def test_a_live_stream_that_gives_nothing_new_is_no_end_of_the_track_either(bench):
    bench.server.add("/stuck/segment0.ts", hls()["segment0.ts"], "video/mp2t")
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\nsegment0.ts\n"
    failed = bench.fail(bench.server.add("/stuck/live.m3u8", playlist, "application/vnd.apple.mpegurl"))
    assert (failed.code, failed.message) == ("pipeline_failed", "the stream gives nothing new any more")


def test_a_start_in_mid_track_begins_there(bench):
    url = serve(bench, "flac")
    whole, part = bench.play(url), bench.play(url, start_ms=3_300)
    assert np.abs(part[480:].astype(int) - whole[158_400 + 480 :]).max() <= 1


def test_a_truncated_file_plays_what_is_there_and_ends(bench):
    for name in ("mp3", "flac", "m4a", "webm"):
        data = encoded(name)[: len(encoded(name)) // 2]
        pcm = bench.play(bench.server.add("/short", data, KINDS[name].content_type))
        assert 2.0 < len(pcm) / 48_000 < 4.0, name


@pytest.mark.parametrize(
    ("body", "step", "code"),
    [
        (b"", Step(status=403), "http_403"),
        (b"", Step(status=404), "no_audio"),
        (b"", Step(status=500), "no_audio"),
        (b"<html><body>no media here</body></html>" * 100, Step(), "no_audio"),
        (b"", Step(), "no_audio"),
        (b"", Step(302, (("Location", "file:///etc/passwd"),)), "no_audio"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n", Step(), "no_audio"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", Step(), "no_audio"),
    ],
    ids=["403", "404", "500", "html", "empty", "redirect-to-file", "playlist-of-file", "concat"],
)
def test_what_is_not_music_ends_in_its_error(bench, body, step, code):
    failed = bench.fail(bench.server.add("/bad?token=secret".partition("?")[0], body, "text/plain", step) + "?token=x")
    assert (failed.code, failed.position_ms) == (code, 0)
    assert "http" not in failed.message.replace("http and https", "")
    assert "token" not in failed.message


@pytest.mark.parametrize(
    "body",
    [bytes(400_000), b"#EXTM3U\n" + b"#EXTINF:1,\nseg.ts\n" * 20_000],
    ids=["zeros", "playlist"],
)
def test_what_never_ends_and_never_begins_is_given_up_before_it_fills_the_memory(body):
    bench = SourceBench(Patience())
    try:
        failed = bench.fail(bench.server.add("/bad", Radio(body), "audio/mpeg", chunked=True))
    finally:
        bench.close()
    assert (failed.code, failed.message) == ("no_audio", "the server sends too much that is no media")


def test_a_live_playlist_that_never_ends_in_mid_track_is_given_up_as_well(monkeypatch):
    monkeypatch.setattr(filter_proxy, "_RATION_BYTES", 4_000_000)
    bench = SourceBench(Patience())
    files = hls()
    for name in ("segment0.ts", "segment1.ts", "segment2.ts"):
        bench.server.add(f"/{name}", files[name], "video/mp2t")
    head = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n"
    first = head + b"".join(b"#EXTINF:1.0,\nsegment%d.ts\n" % number for number in range(3))
    bench.server.add("/live.m3u8", first, "application/vnd.apple.mpegurl")
    playing = bench.open(bench.server.url("/live.m3u8"))
    playing.take(48_000)
    bench.server.add("/live.m3u8", Radio(head + b"#\n" * 200_000), "application/vnd.apple.mpegurl", chunked=True)
    try:
        playing.take()
    finally:
        bench.close()
    assert playing.last.code == "pipeline_failed"
    assert playing.last.message == "the server sends too much that is no media"


def test_a_playlist_that_names_itself_is_given_up(bench):
    body = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nself.m3u8\n"
    assert bench.fail(bench.server.add("/self.m3u8", body, "application/vnd.apple.mpegurl")).code == "no_audio"
    assert len([hit for hit in bench.server.hits if hit.path == "/self.m3u8"]) < 300


def test_pictures_without_sound_are_no_audio(bench):
    assert bench.fail(bench.server.add("/video.mp4", video_only(), "video/mp4")).code == "no_audio"


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1/x", "http://nowhere.invalid/x", "http://[::1", "-o/tmp/x", "ftp://127.0.0.1/x", "/etc/passwd"],
)
def test_urls_that_lead_nowhere_are_no_audio(bench, url):
    assert bench.fail(url).code == "no_audio"


@pytest.mark.parametrize("stall_after", [-1, 0, 100])
def test_a_server_that_stalls_before_the_first_pcm_runs_into_the_deadline(stall_after):
    bench = SourceBench(QUICK._replace(direct_s=0.5))
    try:
        failed = bench.fail(serve(bench, "mp3", Step(stall_after=stall_after)))
    finally:
        bench.close()
    assert (failed.code, failed.message) == ("no_audio", "no audio came in time")


def test_a_server_that_stays_away_in_mid_track_ends_it_with_the_position():
    bench = SourceBench(QUICK._replace(mend_s=1.0))
    try:
        size = len(encoded("mp3"))
        failed = bench.fail(serve(bench, "mp3", Step(cut_after=size // 2), Step(stall_after=-1)))
    finally:
        bench.close()
    assert failed.code == "pipeline_failed"
    assert 2_500 < failed.position_ms < 3_500


def test_a_403_in_mid_track_is_told_as_such_for_a_direct_url(bench):
    size = len(encoded("mp3"))
    assert bench.fail(serve(bench, "mp3", Step(cut_after=size // 2), Step(status=403))).code == "http_403"


class Radio:
    """A body without an end: the file's bytes over and over."""

    def __init__(self, data):
        self.data = data

    def __iter__(self):
        return itertools.chain.from_iterable(itertools.repeat((self.data,)))


def test_an_endless_stream_plays_and_its_buffer_stays_bounded(bench):
    url = bench.server.add("/radio", Radio(encoded("mp3")), "audio/mpeg", chunked=True)
    playing = bench.open(url)
    assert len(playing.take(48_000 * 30)) >= 48_000 * 30
    assert playing.buffer.buffered_samples <= 96_000
    bench.sources.close(playing.attempt)


def test_a_live_stream_goes_on_where_it_is_after_a_break(bench):
    data = encoded("mp3")
    other = encoded("vbr.mp3")
    url = bench.server.add("/live", Radio(data), "audio/mpeg", Step(cut_after=200_000), chunked=True)
    playing = bench.open(url)
    playing.take(48_000)
    bench.server.add("/live", Radio(other), "audio/mpeg", chunked=True)
    assert len(playing.take(48_000 * 20)) >= 48_000 * 20
    assert not any(isinstance(news, SourceFailed) for news in playing.news)
    bench.sources.close(playing.attempt)


def test_hosts_that_are_not_public_are_refused_also_behind_a_redirect():
    bench = SourceBench(allow_private_hosts=False)
    try:
        failed = bench.fail(serve(bench, "mp3"))
        assert failed.code == "no_audio"
        assert "--allow-private-hosts" in failed.message
        assert not bench.server.hits
        for host in ("localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "2130706433"):
            assert bench.fail(bench.server.url("/mp3", host)).code == "no_audio"
        assert not bench.server.hits
    finally:
        bench.close()


def test_files_play_only_where_they_are_allowed(bench, tmp_path):
    path = tmp_path / "-music.flac"
    path.write_bytes(encoded("flac"))
    assert bench.fail(str(path)).code == "no_audio"
    assert bench.fail(path.as_uri()).code == "no_audio"
    allowing = SourceBench(allow_files=True)
    try:
        assert len(allowing.play(str(path))) == len(allowing.play(path.as_uri())) == 288_000
        assert allowing.fail(str(tmp_path)).code == "no_audio"
    finally:
        allowing.close()


def test_closing_ends_the_thread_within_a_blocked_read_and_tells_nothing():
    bench = SourceBench(Patience())
    try:
        playing = bench.open(serve(bench, "mp3", Step(stall_after=80_000)))
        playing.wait_news(SourceStarted)
        assert bench.server.stalled.acquire(timeout=10.0)
        bench.sources.close(playing.attempt)
        bench.sources.close(playing.attempt)
        assert playing.buffer.closed
        assert [type(news) for news in playing.news] == [SourceStarted]
    finally:
        bench.close()  # and the check of every test sees that no thread is left
