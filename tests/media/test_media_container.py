import ssl

import pytest

from clankvox.loopback.certificate import make_authority, server_context
from clankvox.media.media_container import Location, locate, open_container
from clankvox.media.source_fault import HttpForbidden, NoAudio, PipelineFailed
from tests.support.encoded import KINDS, encoded, hls
from tests.support.media_server import MediaServer, Step


@pytest.fixture
def server():
    with MediaServer() as server:
        yield server


def opened(url, **how):
    with open_container(locate(url, allow_files=False, **how), None, 5.0, 5.0) as container:
        return container.format.name


def test_urls_of_the_web_are_taken_as_they_are_but_for_what_ffmpeg_knows_in_small_letters_only():
    location = locate("  HTTPS://user:pw@H.example/A?b=c ", allow_files=False)
    assert location == Location("https://user:pw@H.example/A?b=c")
    assert "example" not in repr(location)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "-",
        "--version",
        "/etc/passwd",
        "file:///etc/passwd",
        "data:audio/wav;base64,UklGRg==",
        "concat:/etc/passwd|/etc/group",
        "tcp://127.0.0.1:80",
        "rtmp://h/x",
        "crypto+http://h/x",
        "pipe:0",
        "http:///x",
        "http://[::1",
        "http://h/a b",
        "http://h/a\r\nHost:x",
        "javascript:alert(1)",
    ],
)
def test_nothing_else_is(url):
    with pytest.raises(NoAudio):
        locate(url, allow_files=False)


def test_files_where_they_are_allowed_are_regular_ones(tmp_path):
    path = tmp_path / "a b.mp3"
    path.write_bytes(b"x")
    for url in (str(path), path.as_uri()):
        assert locate(url, allow_files=True) == Location(str(path), is_file=True)
    none = ("/dev/zero", str(tmp_path / "none"), "concat:/etc/passwd", "rtmp://h/x", "~nobody-at-all/x", "a" * 5_000)
    for url in (str(tmp_path), *none):
        with pytest.raises(NoAudio):
            locate(url, allow_files=True)


def test_music_opens_with_the_headers_that_its_page_recommends(server):
    url = server.add("/a", encoded("mp3"), KINDS["mp3"].content_type)
    assert opened(url, headers={"User-Agent": "Browser/1\r\nX: y", "Referer": "http://page/", "Cookie": "a=b"}) == "mp3"
    assert server.hits[0].user_agent == "Browser/1 X: y"


def test_a_refusal_is_told_from_other_failures(server):
    with pytest.raises(HttpForbidden):
        opened(server.add("/403", b"", "text/plain", Step(403)))
    with pytest.raises(NoAudio):
        opened(server.url("/404"))
    with pytest.raises(PipelineFailed):
        open_container(locate(server.url("/404"), allow_files=False), None, 5.0, 5.0, heard=True)


@pytest.mark.parametrize(
    "body",
    [
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 5004 RTP/AVP 0\r\n",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n/etc/passwd\n#EXT-X-ENDLIST\n",
        b"WEBVTT\n\n00:00.000 --> 00:01.000\nnot a format of ours\n",
        b"<html></html>",
    ],
    ids=["concat", "sdp", "playlist-file", "playlist-path", "unlisted", "html"],
)
def test_what_names_other_inputs_is_not_opened(server, body):
    with pytest.raises(NoAudio):
        opened(server.add("/x", body, "text/plain"))


def test_a_playlist_in_a_file_leads_to_no_url(server, tmp_path):
    """FFmpeg would not ask the proxy for it."""
    path = tmp_path / "list.m3u8"
    segment = server.add("/segment.ts", hls()["segment0.ts"], "video/mp2t")
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{segment}\n#EXT-X-ENDLIST\n")
    with pytest.raises(NoAudio), open_container(locate(str(path), allow_files=True), "http://u:p@127.0.0.1:9", 5, 5):
        pass
    assert not server.hits


def test_certificates_are_verified(tmp_path, monkeypatch):
    authority = make_authority()
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(authority.pem)
    with MediaServer(server_context(authority, "localhost")) as server:
        url = server.add("/a", encoded("mp3"), KINDS["mp3"].content_type)
        with pytest.raises(NoAudio):
            opened(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        assert ssl.get_default_verify_paths().cafile == str(trusted)
        assert opened(url) == "mp3"
