import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.errors import InvalidRequest
from clankvox.protocol.endpoint import voice_url


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("rotterdam1.discord.media:2053", "wss://rotterdam1.discord.media:2053/?v=9"),
        ("rotterdam1.discord.media", "wss://rotterdam1.discord.media/?v=9"),
        ("wss://rotterdam1.discord.media:443/", "wss://rotterdam1.discord.media:443/?v=9"),
        ("c-ams10_x.Discord.media:8443/", "wss://c-ams10_x.Discord.media:8443/?v=9"),
        ("127.0.0.1:50000", "wss://127.0.0.1:50000/?v=9"),
        ("[2001:db8::1]:443", "wss://[2001:db8::1]:443/?v=9"),
        ("ws://127.0.0.1:50000", "ws://127.0.0.1:50000/?v=9"),
        ("WS://127.8.9.1:1", "ws://127.8.9.1:1/?v=9"),
        ("ws://localhost:65535/", "ws://localhost:65535/?v=9"),
        ("ws://[::1]:8080", "ws://[::1]:8080/?v=9"),
    ],
)
def test_the_endpoint_is_used_verbatim_with_its_port(endpoint, url):
    assert voice_url(endpoint) == url


@pytest.mark.parametrize(
    "endpoint",
    [
        "ws://192.168.1.4:80",
        "ws://discord.media",
        "ws://localhost.evil.example:80",
        "ws://127.0.0.1.evil.example",
        "ws://[::2]:80",
        "ws://0.0.0.0:80",
    ],
)
def test_plain_sockets_go_to_a_loopback_address_only(endpoint):
    with pytest.raises(InvalidRequest):
        voice_url(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "/",
        "wss://",
        ":443",
        "user:secret@host:443",
        "user@host",
        "host:443/path",
        "host:443//",
        "host:443/?v=4",
        "host?x=1",
        "host#frag",
        "host :443",
        " host:443",
        "host:443\n",
        "host\r\nX-Evil: 1",
        "host\x00",
        "host\\evil",
        "host:0",
        "host:65536",
        "host:",
        "host:abc",
        "host:\uff11\uff12",
        "höst:443",
        "http://host:443",
        "wss://wss://host",
        "[::1:443",
        "[::g]:1",
        "[:::]:1",
        "a" * 300,
    ],
)
def test_nothing_but_host_and_port_is_accepted(endpoint):
    with pytest.raises(InvalidRequest) as refused:
        voice_url(endpoint)
    assert "secret" not in str(refused.value)


@given(st.text(max_size=40))
def test_any_text_gives_a_clean_url_or_is_refused(text):
    try:
        url = voice_url(text)
    except InvalidRequest:
        return
    scheme, _, rest = url.partition("://")
    authority, _, tail = rest.partition("/")
    assert scheme in {"ws", "wss"}
    assert tail == "?v=9"
    assert authority.isascii()
    assert not set(authority) & set("@?#/\\ \t\r\n\0")
