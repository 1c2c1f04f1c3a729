"""The URL of a voice server, out of the endpoint that the main gateway announced."""

import re
from ipaddress import ip_address
from typing import Final

from clankvox.errors import InvalidRequest

GATEWAY_VERSION: Final = 9

# An allow-list: what is not a bare host and port (credentials, path, query, blanks, control characters) never matches.
_ENDPOINT: Final = re.compile(
    r"(?:(?P<scheme>wss?)://)?(?P<host>[a-z0-9_](?:[a-z0-9_.-]{0,252})|\[[0-9a-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?/?",
    re.ASCII | re.IGNORECASE,
)
_MAX_PORT: Final = 65_535


def voice_url(endpoint: str) -> str:
    """Return the WebSocket URL of `endpoint`: host and optional port, used verbatim (scheme, final slash: tolerated).

    TLS always, unless the endpoint says `ws://` and its host is a loopback address. InvalidRequest for anything else;
    the error does not repeat the endpoint.
    """
    match = _ENDPOINT.fullmatch(endpoint)
    if match is None:
        raise InvalidRequest("the voice endpoint is not host:port")
    scheme, host, port = (match["scheme"] or "wss").lower(), match["host"], match["port"]
    if host.startswith("[") and not _is_ip(host[1:-1]):
        raise InvalidRequest("the voice endpoint is not an IPv6 address")
    if port is not None and not 0 < int(port) <= _MAX_PORT:
        raise InvalidRequest("the port of the voice endpoint is out of range")
    if scheme == "ws" and not _is_loopback(host):
        raise InvalidRequest("a voice endpoint without TLS must be a loopback address")
    authority = host if port is None else f"{host}:{port}"
    return f"{scheme}://{authority}/?v={GATEWAY_VERSION}"


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    """RFC 6761 section 6.3 keeps the name localhost on this machine."""
    address = host.strip("[]")
    return address.lower() == "localhost" or (_is_ip(address) and ip_address(address).is_loopback)
