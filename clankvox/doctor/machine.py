"""Whether this machine keeps time, passes datagrams, and has what is optional."""

import importlib.util
import re
import secrets
import socket
from typing import Final, NamedTuple

from clankvox.clock import SystemClock
from clankvox.doctor.finding import Doubtful, Skipped, Wrong
from clankvox.shells.prctl import set_timer_slack

_GRID_S: Final = 0.005
_TIMER_S: Final = 1.0
LATE_S: Final = 0.005
"""A packet that is later than a quarter of its slot may be heard; 1 % of them is too many."""
_DATAGRAMS: Final = 100
_DATAGRAM_BYTES: Final = 1_200
_UDP_TIMEOUT_S: Final = 2.0
STUN_PORT: Final = 3478
_LAST_PORT: Final = 65_535
_STUN_SERVER: Final = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.%]+)\]|(?P<host>[^:\[\]\s/]+))(?::(?P<port>\d{1,5}))?")
_STUN_BINDING: Final = b"\x00\x01\x00\x00\x21\x12\xa4\x42"
"""Binding request without attributes, and the magic cookie (RFC 5389 section 6)."""
_STUN_ANSWER: Final = b"\x01\x01"
_STUN_TRIES: Final = 3


def timer() -> str:
    """Sleep to an absolute grid for a second, as the pacing thread does, and see how late it wakes."""
    clock = SystemClock()
    set_timer_slack()
    start = clock.now()
    late = []
    for slot in range(1, round(_TIMER_S / _GRID_S) + 1):
        due = start + slot * _GRID_S
        clock.sleep(max(0.0, due - clock.now()))
        late.append(clock.now() - due)
    late.sort()
    middle, most = late[len(late) // 2], late[len(late) * 99 // 100]
    found = f"wakes {middle * 1000:.2f} ms late at the median, {most * 1000:.2f} ms at the 99th percentile"
    if most > LATE_S:
        raise Doubtful(f"{found}: packets will leave unevenly on this machine, or while it is so busy")
    return found


def udp_loopback() -> str:
    """Send datagrams of full size to ourselves."""
    try:
        return _to_ourselves()
    except OSError as error:
        raise Wrong(f"UDP to 127.0.0.1 fails: {_said(error)}") from None


def _to_ourselves() -> str:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there,
    ):
        here.bind(("127.0.0.1", 0))
        here.settimeout(_UDP_TIMEOUT_S)
        there.connect(here.getsockname())
        for number in range(_DATAGRAMS):
            there.send(number.to_bytes(4, "big") + bytes(_DATAGRAM_BYTES - 4))
            try:
                got = here.recv(2 * _DATAGRAM_BYTES)
            except TimeoutError:
                raise Wrong(f"datagram {number} of {_DATAGRAMS} did not come back") from None
            if len(got) != _DATAGRAM_BYTES or int.from_bytes(got[:4], "big") != number:
                raise Wrong("another datagram came back")
    return f"{_DATAGRAMS} datagrams of {_DATAGRAM_BYTES} bytes"


class StunServer(NamedTuple):
    """Where a STUN server is."""

    host: str
    port: int


def stun_server(text: str) -> StunServer:
    """Read HOST, HOST:PORT, [IPV6] or [IPV6]:PORT; ValueError for anything else."""
    found = _STUN_SERVER.fullmatch(text)
    if found is None or not 0 < int(found["port"] or STUN_PORT) <= _LAST_PORT:
        raise ValueError(text)
    return StunServer(found["v6"] or found["host"], int(found["port"] or STUN_PORT))


def udp_egress(server: StunServer | None) -> str:
    """Ask a STUN server, whose answer proves that UDP leaves this network and comes back; what it says is not told."""
    if server is None:
        raise Skipped("not asked for", "clankvox doctor --stun HOST[:PORT] asks a STUN server")
    try:
        family, _, _, _, address = socket.getaddrinfo(*server, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.settimeout(_UDP_TIMEOUT_S)
            asked.connect(address)
            return _ask(asked)
    except (OSError, UnicodeError) as error:
        raise Wrong(f"UDP cannot leave: {_said(error)}") from None


def _said(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


def _ask(asked: socket.socket) -> str:
    clock = SystemClock()
    request = _STUN_BINDING + secrets.token_bytes(12)
    for _ in range(_STUN_TRIES):
        sent_at = clock.now()
        asked.send(request)
        try:
            answer = asked.recv(2048)
        except TimeoutError:
            continue
        if answer[:2] == _STUN_ANSWER and answer[4:20] == request[4:20]:
            return f"answered in {(clock.now() - sent_at) * 1000:.0f} ms"
    raise Wrong("no answer: UDP does not leave this network, or does not come back")


def page_resolver() -> str:
    """Look for yt-dlp, without which music and films come from direct URLs only."""
    if importlib.util.find_spec("yt_dlp") is None:
        raise Skipped("yt-dlp is not installed: page URLs need it", "pip install 'clankvox[youtube]', if you want them")
    return "yt-dlp is installed"
