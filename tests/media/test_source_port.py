import pytest

from clankvox.media.source_port import SourceRequest


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pass@cdn.example/secret/path.mp3?sig=1234", "https"),
        ("/srv/music.flac", "path"),
        ("-o://not-a-scheme", "path"),
    ],
)
def test_a_request_shows_how_its_url_begins_and_no_more(url, shown):
    assert repr(SourceRequest(url, direct=True)) == f"SourceRequest({shown}, direct=True, start_ms=0)"
