"""Datagrams that find out and keep open our public UDP address: IP discovery and the UDP ping."""

import struct
from ipaddress import ip_address
from typing import Final

from clankvox.errors import WireError

PACKET_BYTES: Final = 74
"""Length of request and reply alike."""

_PACKET: Final = struct.Struct("!HHI64sH")
_REQUEST: Final = 1
_REPLY: Final = 2
_BODY_BYTES: Final = 70
_PING: Final = bytes.fromhex("1337cafe")
_PONG: Final = bytes.fromhex("1337f00d")
_PING_BYTES: Final = 8


def build_request(ssrc: int) -> bytes:
    """Ask the media server from which address our datagrams come."""
    return _PACKET.pack(_REQUEST, _BODY_BYTES, ssrc, b"", 0)


def parse_request(datagram: bytes) -> int:
    """Return the SSRC of a discovery request."""
    ssrc, _, _ = _unpack(datagram, _REQUEST)
    return ssrc


def build_reply(ssrc: int, address: str, port: int) -> bytes:
    """Answer a request of `ssrc` with the textual IP address and port that it came from."""
    return _PACKET.pack(_REPLY, _BODY_BYTES, ssrc, address.encode("ascii"), port)


def parse_reply(datagram: bytes, ssrc: int) -> tuple[str, int]:
    """Return our public address (IPv4 or IPv6 text) and port; WireError unless it answers `ssrc`."""
    answered, text, port = _unpack(datagram, _REPLY)
    if answered != ssrc:
        raise WireError("discovery reply for another SSRC")
    if not port:
        raise WireError("discovery reply without a port")
    try:
        address = text.partition(b"\0")[0].decode("ascii")
        ip_address(address)
    except ValueError as error:
        raise WireError("discovery reply without an IP address") from error
    return address, port


def build_ping(counter: int) -> bytes:
    """Build a UDP ping that carries `counter` (u32, little-endian)."""
    return _PING + counter.to_bytes(4, "little")


def parse_ping(datagram: bytes) -> int | None:
    """Return the counter of a UDP ping, None for any other datagram."""
    return _counter(datagram, _PING)


def build_pong(counter: int) -> bytes:
    """Build the answer to the ping with `counter`."""
    return _PONG + counter.to_bytes(4, "little")


def parse_pong(datagram: bytes) -> int | None:
    """Return the counter that a UDP pong echoes, None for any other datagram."""
    return _counter(datagram, _PONG)


def _counter(datagram: bytes, magic: bytes) -> int | None:
    if len(datagram) != _PING_BYTES or not datagram.startswith(magic):
        return None
    return int.from_bytes(datagram[4:], "little")


def _unpack(datagram: bytes, expected: int) -> tuple[int, bytes, int]:
    """Return (ssrc, address field, port) of a discovery packet of the expected kind."""
    if len(datagram) != PACKET_BYTES:
        raise WireError("discovery packet of a wrong length")
    kind, body_bytes, ssrc, text, port = _PACKET.unpack(datagram)
    if kind != expected or body_bytes != _BODY_BYTES:
        raise WireError("discovery packet of a wrong kind")
    return ssrc, text, port
