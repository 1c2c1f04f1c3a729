"""When datagrams leave, as the kernel stamps them on the loopback interface (SO_TIMESTAMPNS on a packet socket).

python -m tools.bench.wire_tap NAME=PORT ... watches until its stdin ends, then writes what it saw; see `FarTap`.
"""

import ctypes
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import defaultdict
from types import TracebackType
from typing import Final, NamedTuple, Self

ETH_P_IP: Final = 0x0800
SO_TIMESTAMPNS: Final = 35
_PACKET_OUTGOING: Final = 4
_TIMESPEC: Final = struct.Struct("qq")
_UDP: Final = 17
_UDP_HEADER_BYTES: Final = 8
_SO_ATTACH_FILTER: Final = 26
_SO_RCVBUFFORCE: Final = 33
_SOL_PACKET: Final = 263
_PACKET_STATISTICS: Final = 6
_LOOKS: Final = 20
_COUNTERS: Final = struct.Struct("II")
_BUFFER_BYTES: Final = 64 << 20
_SNAPPED_BYTES: Final = 96
"""The headers of IP, UDP and RTP are all that we read."""
TURN_S: Final = 0.05
"""The kernel stamps, so nobody has to be woken for every packet: that would disturb what is measured."""
_ROW: Final = struct.Struct("<HIIId")


class Datagram(NamedTuple):
    """One that was sent: when, on the wall clock, and how many bytes of UDP payload."""

    at_s: float
    size: int
    timestamp: int = 0
    """RTP's own."""


class WireTap:
    """A context: notes the instant of every datagram to the watched UDP ports. Needs CAP_NET_RAW and Linux.

    `sent` is as old as `TURN_S` while the context lasts, and complete behind it.
    """

    def __init__(self, ports: dict[str, int]) -> None:
        """Watch destination `ports` by name. PermissionError without the right to open a packet socket."""
        self._names = {port: name for name, port in ports.items()}
        self.sent: dict[str, list[Datagram]] = defaultdict(list)
        """By name of the port and SSRC in hex, as in "clankvox:0000002a"."""
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
        only_ports(self._socket, tuple(ports.values()))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        self._socket.bind(("lo", ETH_P_IP))
        self._socket.setblocking(False)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
        told = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _COUNTERS.size)
        self._socket.close()
        if kind is None and (missed := _COUNTERS.unpack(told)[1]):
            raise OSError(f"the tap missed {missed} packets")

    def _read(self) -> None:
        while not self._stopped.wait(TURN_S):
            self._drain()
        self._drain()

    def _drain(self) -> None:
        while True:
            try:
                packet, ancillary, _, address = self._socket.recvmsg(_SNAPPED_BYTES, 64)
            except BlockingIOError:
                return
            self._note(packet, ancillary, address[2])

    def _note(self, packet: bytes, ancillary: list[tuple[int, int, bytes]], kind: int) -> None:
        header_bytes = (packet[0] & 0x0F) * 4
        if kind == _PACKET_OUTGOING or packet[9] != _UDP:
            return
        name = self._names.get(int.from_bytes(packet[header_bytes + 2 : header_bytes + 4], "big"))
        size = int.from_bytes(packet[header_bytes + 4 : header_bytes + 6], "big") - _UDP_HEADER_BYTES
        payload = packet[header_bytes + _UDP_HEADER_BYTES :]
        if name is None or not ancillary or not is_opus(payload):
            return
        seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
        ssrc = payload[8:12].hex()
        timestamp = int.from_bytes(payload[4:8], "big")
        self.sent[f"{name}:{ssrc}"].append(Datagram(seconds + nanoseconds * 1e-9, size, timestamp))


class FarTap:
    """A context like `WireTap`, in a process of its own: for so many packets that they would slow the parent down."""

    def __init__(self, ports: dict[str, int]) -> None:
        """Watch destination `ports` by name."""
        self._names = [*ports]
        watched = [f"{name}={port}" for name, port in ports.items()]
        self._command = [sys.executable, "-m", "tools.bench.wire_tap", *watched]
        self.sent: dict[str, list[Datagram]] = defaultdict(list)
        """As in `WireTap`; there once the context is left."""

    def __enter__(self) -> Self:
        """PermissionError without the right to open a packet socket."""
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self._process.stdout is None or not self._process.stdout.readline():
            raise PermissionError("no packet socket")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        told, _ = self._process.communicate()
        if kind is None and self._process.returncode:
            raise OSError("the tap missed packets")
        for port, ssrc, timestamp, size, at_s in _ROW.iter_unpack(told):
            self.sent[f"{self._names[port]}:{ssrc:08x}"].append(Datagram(at_s, size, timestamp))


def watch(ports: dict[str, int]) -> None:
    """Be the process behind a `FarTap`."""
    names = [*ports]
    with WireTap(ports) as tap:
        sys.stdout.buffer.write(b"watching\n")
        sys.stdout.buffer.flush()
        sys.stdin.buffer.read()
    for name, sent in tap.sent.items():
        port, ssrc = name.rsplit(":", 1)
        for each in sent:
            row = _ROW.pack(names.index(port), int(ssrc, 16), each.timestamp, each.size, each.at_s)
            sys.stdout.buffer.write(row)


def only_ports(packets: socket.socket, ports: tuple[int, ...]) -> None:
    """Have the kernel drop all but UDP that comes in for `ports`: classic BPF, see filter.txt of the kernel's docs."""
    end = 6 + len(ports)
    program = [
        (0x30, 0, 0, 0xFFFFF004),  # A = packet type (SKF_AD_PKTTYPE)
        (0x15, end - 2, 0, _PACKET_OUTGOING),
        (0x30, 0, 0, 9),  # A = protocol
        (0x15, 0, end - 4, _UDP),
        (0xB1, 0, 0, 0),  # X = bytes of the IP header
        (0x48, 0, 0, 2),  # A = destination port
        *((0x15, len(ports) - number, 0, port) for number, port in enumerate(ports)),
        (0x06, 0, 0, 0),
        (0x06, 0, 0, _SNAPPED_BYTES),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    described = struct.pack("HL", len(program), ctypes.addressof(code))
    packets.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)


def to_wall_s() -> float:
    """Return what has to be added to the monotonic clock to get the wall clock, by which the kernel stamps."""
    looks = [(time.monotonic(), time.time(), time.monotonic()) for _ in range(_LOOKS)]
    before, wall, after = min(looks, key=lambda look: look[2] - look[0])
    return wall - (before + after) / 2


def is_opus(payload: bytes) -> bool:
    """Tell RTP with payload type 120 from discovery and keepalives."""
    return len(payload) > 12 and payload[0] >> 6 == 2 and payload[1] & 0x7F == 120


if __name__ == "__main__":
    watch({name: int(port) for name, port in (each.split("=") for each in sys.argv[1:])})
