"""A request says what it is, and nothing of where."""

from clankvox.media.publish_port import PublishRequest


def test_no_part_of_the_url_is_shown():
    request = PublishRequest("https://user:key@host.example/path?token=secret", direct=True)
    assert not any(part in repr(request) for part in ("key", "host", "path", "secret"))
    assert "pictures" in repr(PublishRequest(None))
