"""A real child process, with a yt_dlp of the test's own, and the real one against a real page."""

import threading

import pytest

from clankvox.clock import SystemClock
from clankvox.media.source_fault import (
    FormatUnavailable,
    HttpForbidden,
    MissingStdout,
    NoAudio,
    SourceFault,
    SpawnFailed,
    WaitFailed,
)
from clankvox.shells import page_resolver
from clankvox.shells.page_resolver import SELECTORS, Found, PageResolver
from tests.support import fake_yt_dlp
from tests.support.encoded import KINDS, encoded
from tests.support.media_server import Step
from tests.support.source_bench import SourceBench

PROXY = "http://user:hush@127.0.0.1:9"
CLOCK = SystemClock()


def resolve(url="http://page.example/watch", seconds=30.0, resolver=None):
    return (resolver or PageResolver(CLOCK)).resolve(url, SELECTORS[0], PROXY, CLOCK.now() + seconds)


def test_the_first_url_and_the_headers_are_taken(tmp_path, monkeypatch):
    script = 'print(\'http://a/1\\nhttp://a/2\'); print(\'{"User-Agent": "x", "Referer": "http://r/"}\')'
    fake_yt_dlp.install(tmp_path, monkeypatch, script)
    found = resolve()
    assert found == Found("http://a/1", {"User-Agent": "x", "Referer": "http://r/"})
    assert repr(found) == "Found(2 headers)"


def test_what_the_child_is_given(tmp_path, monkeypatch):
    """The URL after `--`, no input, a session of its own; page and proxy are not for all to see."""
    script = (
        "assert arguments[-2:] == ['--', '-o/tmp/x'], arguments\n"
        "shown = open('/proc/self/cmdline').read()\n"
        "assert '--quiet' in shown and 'hush' not in shown and '/tmp/x' not in shown\n"
        "assert '--no-playlist' in arguments and '--no-live-from-start' in arguments\n"
        "assert '--extractor-args=youtube:player_client=web_embedded' in arguments\n"
        "assert sys.stdin.read() == ''\n"
        "assert os.getsid(0) == os.getpid()\n"
        f"assert os.environ['https_proxy'] == os.environ['http_proxy'] == {PROXY!r}\n"
        "assert 'no_proxy' not in os.environ\n"
        "print('https://cdn.example/ok')"
    )
    monkeypatch.setenv("no_proxy", "*")
    fake_yt_dlp.install(tmp_path, monkeypatch, script)
    assert resolve("-o/tmp/x").url == "https://cdn.example/ok"


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("sys.exit('ERROR: unable to download: HTTP Error 403: Forbidden')", HttpForbidden),
        ("sys.exit('ERROR: Requested format is not available. Use --list-formats')", FormatUnavailable),
        ("sys.exit('ERROR: no such video https://page.example/secret')", NoAudio),
        ("pass", MissingStdout),
        ("print('file:///etc/passwd')", MissingStdout),
        ("os.kill(os.getpid(), signal.SIGKILL)", NoAudio),
    ],
)
def test_how_the_child_ends_is_classified(tmp_path, monkeypatch, script, kind):
    fake_yt_dlp.install(tmp_path, monkeypatch, script)
    with pytest.raises(kind) as raised:
        resolve()
    assert "secret" not in str(raised.value)


def test_a_child_that_does_not_end_is_ended_with_all_that_it_started(tmp_path, monkeypatch):
    script = (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if os.fork() == 0: signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "while True: signal.pause()"
    )
    fake_yt_dlp.install(tmp_path, monkeypatch, script)
    monkeypatch.setattr(page_resolver, "_TERM_S", 0.1)
    with pytest.raises(WaitFailed):
        resolve(seconds=0.5)


def test_cancelling_ends_the_child_and_every_later_one(tmp_path, monkeypatch):
    fake_yt_dlp.install(tmp_path, monkeypatch, f"open({str(tmp_path / 'begun')!r}, 'w').close()\nsignal.pause()")
    resolver = PageResolver(CLOCK)
    faults = []

    def work():
        try:
            resolve(resolver=resolver)
        except SourceFault as fault:
            faults.append(fault)

    thread = threading.Thread(target=work)
    thread.start()
    while not (tmp_path / "begun").exists() and thread.is_alive():
        thread.join(0.01)
    resolver.cancel()
    resolver.cancel()
    thread.join(10.0)
    assert len(faults) == 1
    with pytest.raises(NoAudio):
        resolve(resolver=resolver)


def test_without_yt_dlp_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(page_resolver.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SpawnFailed, match=r"pip install 'clankvox\[youtube\]'"):
        resolve()


@pytest.fixture
def bench():
    bench = SourceBench()
    yield bench
    bench.close()


def media(bench):
    return bench.server.add("/music.mp3", encoded("mp3"), KINDS["mp3"].content_type)


def test_the_real_yt_dlp_finds_the_music_of_a_page_and_it_plays(bench):
    media(bench)
    html = b"<html><head><title>A page</title></head><body><audio src='/music.mp3' controls></audio></body></html>"
    page = bench.server.add("/page.html", html, "text/html")
    assert len(bench.play(page, direct=False)) == 288_000
    assert bench.server.hits[0].path == "/page.html"


def test_of_a_list_the_real_yt_dlp_looks_at_the_first_entry_only(bench):
    urls = [media(bench), bench.server.add("/second.mp3", encoded("mp3"), KINDS["mp3"].content_type)]
    items = "".join(f"<item><title>t</title><link>{url}</link></item>" for url in urls)
    feed = f'<?xml version="1.0"?><rss version="2.0"><channel><title>f</title>{items}</channel></rss>'
    assert len(bench.play(bench.server.add("/feed", feed.encode(), "application/rss+xml"), direct=False)) == 288_000
    assert {hit.path for hit in bench.server.hits} == {"/feed", "/music.mp3"}


def test_the_real_yt_dlp_reaches_no_private_host(bench):
    refusing = SourceBench(allow_private_hosts=False)
    try:
        failed = refusing.fail(media(bench), direct=False)
    finally:
        refusing.close()
    assert failed.code == "no_audio"
    assert not bench.server.hits
    assert "127.0.0.1" not in failed.message.replace("[redacted-url]", "")


def test_after_a_403_the_second_selector_is_tried_once(bench, tmp_path, monkeypatch):
    url = media(bench)
    refused = bench.server.add("/refused", b"", "text/plain", Step(status=403))
    fake_yt_dlp.install(
        tmp_path,
        monkeypatch,
        f"print({url!r} if '--extractor-args=youtube:player_client=android' in arguments else {refused!r})",
    )
    assert len(bench.play(bench.server.url("/page"), direct=False)) == 288_000
    assert [hit.path for hit in bench.server.hits[:2]] == ["/refused", "/music.mp3"]


def test_after_two_refusals_the_track_has_failed(bench, tmp_path, monkeypatch):
    fake_yt_dlp.install(tmp_path, monkeypatch, "sys.exit('HTTP Error 403: Forbidden')")
    failed = bench.fail(bench.server.url("/page"), direct=False)
    assert failed.code == "http_403"
    assert "stderr tail: HTTP Error 403" in failed.message


def test_closing_while_yt_dlp_runs_ends_it(bench, tmp_path, monkeypatch):
    fake_yt_dlp.install(tmp_path, monkeypatch, f"open({str(tmp_path / 'begun')!r}, 'w').close()\nsignal.pause()")
    playing = bench.open(bench.server.url("/page"), direct=False)
    waiting = threading.Event()
    while not (tmp_path / "begun").exists():
        waiting.wait(0.01)
    bench.sources.close(playing.attempt)
    assert playing.news == []
