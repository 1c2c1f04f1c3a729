"""When datagrams leave, as the kernel stamps them on the loopback interface (SO_TIMESTAMPNS on a packet socket)."""

import socket
import struct
import threading
from collections import defaultdict
from types import TracebackType
from typing import Final, NamedTuple, Self

ETH_P_IP: Final = 0x0800
SO_TIMESTAMPNS: Final = 35
_PACKET_OUTGOING: Final = 4
_TIMESPEC: Final = struct.Struct("qq")
_UDP: Final = 17


class Datagram(NamedTuple):
    """One that was sent: when, on the wall clock, and how many bytes of UDP payload."""

    at_s: float
    size: int


class WireTap:
    """A context: notes the instant of every datagram to the watched UDP ports. Needs CAP_NET_RAW and Linux."""

    def __init__(self, ports: dict[str, int]) -> None:
        """Watch destination `ports` by name. PermissionError without the right to open a packet socket."""
        self._names = {port: name for name, port in ports.items()}
        self.sent: dict[str, list[Datagram]] = defaultdict(list)
        """By name of the port and SSRC in hex, as in "clankvox:0000002a"."""
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        self._socket.bind(("lo", ETH_P_IP))
        self._socket.settimeout(0.2)
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
        self._socket.close()

    def _read(self) -> None:
        while not self._stopped.is_set():
            try:
                packet, ancillary, _, address = self._socket.recvmsg(2048, 64)
            except TimeoutError:
                continue
            header_bytes = (packet[0] & 0x0F) * 4
            if address[2] == _PACKET_OUTGOING or packet[9] != _UDP:
                continue
            port = int.from_bytes(packet[header_bytes + 2 : header_bytes + 4], "big")
            name = self._names.get(port)
            payload = packet[header_bytes + 8 :]
            if name is None or not ancillary or not is_opus(payload):
                continue
            seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
            ssrc = payload[8:12].hex()
            self.sent[f"{name}:{ssrc}"].append(Datagram(seconds + nanoseconds * 1e-9, len(payload)))


def is_opus(payload: bytes) -> bool:
    """Tell RTP with payload type 120 from discovery and keepalives."""
    return len(payload) > 12 and payload[0] >> 6 == 2 and payload[1] & 0x7F == 120
