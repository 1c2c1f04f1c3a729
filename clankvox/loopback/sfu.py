"""The media server: opens what a client sends and seals it anew for everybody else in its room.

It never looks into a frame but for its DAVE trailer. Datagrams that are not what they claim to be are counted by cause.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from clankvox.clock import Clock
from clankvox.errors import OpenFailed, WireError
from clankvox.loopback.impairment import Link
from clankvox.loopback.media_port import Address, MediaPort, Packet
from clankvox.loopback.options import VideoPolicy
from clankvox.loopback.rtcp_relay import RtcpRelay
from clankvox.loopback.stap_repacker import Arrival
from clankvox.loopback.video_relay import VideoRelay, bare
from clankvox.wire import ip_discovery
from clankvox.wire.rtcp import RTCP_CLEAR_BYTES, build_compound, parse_compound
from clankvox.wire.rtcp import Packet as RtcpPacket
from clankvox.wire.rtp import OPUS_PAYLOAD_TYPE, RtpHeader, is_rtcp, is_rtp, parse_header, strip

_EARLY_S: Final = 0.2
_DAVE_MARKER: Final = b"\xfa\xfa"

Send = Callable[[bytes, Address], None]
CallAt = Callable[[float, Callable[[], None]], object]


class Sfu:
    """Routes datagrams between media ports. The event loop owns it."""

    def __init__(self, send: Send, call_at: CallAt, clock: Clock, policy: VideoPolicy | None = None) -> None:
        """`send` puts a datagram on the wire at once; `call_at` runs something at a later instant."""
        self.dropped: Counter[str] = Counter()
        """Datagrams of nobody, by cause."""
        self._send = send
        self._call_at = call_at
        self._clock = clock
        self._by_address: dict[Address, MediaPort] = {}
        self._by_ssrc: dict[int, MediaPort] = {}
        self.video = VideoRelay(policy or VideoPolicy(), self._deliver, call_at)
        self._rtcp = RtcpRelay(self.video, self.owner, self._deliver_rtcp)

    def attach(self, port: MediaPort) -> None:
        """Let `port` be found by its SSRCs."""
        for ssrc in port.ssrcs:
            self._by_ssrc[ssrc] = port
        port.on_announced = lambda: self._forward_early(port)

    def detach(self, port: MediaPort) -> None:
        """Forget `port`; what it still sends is from an unknown address."""
        self.video.forget(port)
        for ssrc in port.ssrcs:
            self._by_ssrc.pop(ssrc, None)
        if port.address is not None and self._by_address.get(port.address) is port:
            del self._by_address[port.address]

    def owner(self, ssrc: int) -> MediaPort | None:
        """Return who may send `ssrc`."""
        return self._by_ssrc.get(ssrc)

    def learn_address(self, port: MediaPort, address: Address) -> None:
        """Send media of `port` to `address` from now on, and take what comes from there as its own."""
        if port.address is not None and self._by_address.get(port.address) is port:
            del self._by_address[port.address]
        port.address = address
        self._by_address[address] = port

    def receive(self, datagram: bytes, address: Address, arrival_s: float) -> None:
        """Take one datagram that arrived at `arrival_s` (monotonic seconds)."""
        if len(datagram) == ip_discovery.PACKET_BYTES and datagram.startswith(b"\x00\x01"):
            self._discover(datagram, address, arrival_s)
            return
        port = self._by_address.get(address)
        if port is None:
            self.dropped["unknown_address"] += 1
        elif arrival_s < port.stalled_until_s:
            port.received["stalled"] += 1
        elif not port.nat.passes_up(arrival_s):
            port.received["nat_forgotten"] += 1
        elif is_rtp(datagram):
            self._through(port.up, arrival_s, lambda at: self._take_rtp(port, datagram, at))
        elif is_rtcp(datagram):
            self._through(port.up_reports, arrival_s, lambda at: self._take_rtcp(port, datagram, at))
        else:
            self._through(port.up_probes, arrival_s, lambda at: self._take_probe(port, datagram, at))

    def forward(self, port: MediaPort, datagram_header: bytes, header: RtpHeader, frame: bytes, now: float) -> None:
        """Take a packet of a member of our own, which has no transport; `frame` b"" is padding only."""
        port.received["packets"] += 1
        self._relay(port, datagram_header, header, b"", frame, now)

    def submit(self, port: MediaPort, header: RtpHeader, payload: bytes, now: float) -> None:
        """Take a video packet of a member of our own; the faults of its way up apply as to a client's."""
        arrival = Arrival(bare(header), header, b"", payload)
        self._through(port.up, now, lambda at: self.video.take(port, arrival, at))

    def submit_rtcp(self, port: MediaPort, packets: Sequence[RtcpPacket], now: float) -> None:
        """Take RTCP of a member of our own."""
        self._through(port.up_reports, now, lambda at: self._rtcp.take(port, packets, at))

    def _through(self, link: Link, now: float, take: Callable[[float], None]) -> None:
        if link.clean:
            take(now)
            return
        for release in link.plan(now):
            if release <= now:
                take(now)
            else:
                self._call_at(release, lambda at=release: take(at))  # type: ignore[misc]

    def _discover(self, datagram: bytes, address: Address, now: float) -> None:
        try:
            ssrc = ip_discovery.parse_request(datagram)
        except WireError:
            self.dropped["malformed"] += 1
            return
        port = self._by_ssrc.get(ssrc)
        if port is None:
            self.dropped["unknown_ssrc"] += 1
            return
        if now < port.stalled_until_s:
            port.received["stalled"] += 1
            return

        def answer(at: float) -> None:
            port.received["discovery"] += 1
            self.learn_address(port, address)
            port.nat.discovered(at)
            self._through(
                port.down_probes, at, lambda _: self._send(ip_discovery.build_reply(ssrc, *address[:2]), address)
            )

        self._through(port.up_probes, now, answer)

    def _take_probe(self, port: MediaPort, datagram: bytes, now: float) -> None:
        """Answer UDP pings; clients' other keep-alives of 8 bytes need no answer."""
        counter = ip_discovery.parse_ping(datagram)
        if counter is None:
            port.received["keepalive" if len(datagram) == 8 else "malformed"] += 1
            return
        port.received["ping"] += 1
        self._through(port.down_probes, now, lambda _: self._send_to(port, ip_discovery.build_pong(counter)))

    def _take_rtp(self, port: MediaPort, datagram: bytes, now: float) -> None:
        if port.transport is None:
            port.received["before_session"] += 1
            return
        try:
            header = parse_header(datagram)
            if header.ssrc not in port.ssrcs:
                port.received["foreign_ssrc"] += 1
                return
            plaintext = port.transport.open(datagram, header.clear_bytes)
            frame = strip(header, plaintext)
        except WireError as error:
            port.received["open_failed" if isinstance(error, OpenFailed) else "malformed"] += 1
            return
        if header.ssrc == port.ssrc:
            self._take_audio(port, Arrival(datagram, header, plaintext[: header.extension_bytes], frame), now)
        elif port.may_send(header.ssrc):
            self.video.take(port, Arrival(datagram, header, plaintext[: header.extension_bytes], frame), now)
        elif port.ssrc in port.announced and header.ssrc in port.once_announced:
            port.received["video_off"] += 1
        else:
            self._hold_video(port, datagram, now)

    def _take_audio(self, port: MediaPort, arrival: Arrival, now: float) -> None:
        if arrival.header.ssrc not in port.announced:
            port.received["invalid_ssrc"] += 1
            port.early.append((arrival.datagram, now))
            return
        port.received["packets"] += 1
        self._relay(port, *arrival, now)

    def _hold_video(self, port: MediaPort, datagram: bytes, now: float) -> None:
        """Keep video that came before its op 12 or op 5; if they stay away, the client is to be thrown out."""
        port.received["invalid_ssrc"] += 1
        if not port.early_video:
            self._call_at(now + _EARLY_S, lambda: self._refuse_early(port))
        port.early_video.append((datagram, now))

    def _refuse_early(self, port: MediaPort) -> None:
        if port.early_video:
            port.early_video.clear()
            if port.on_invalid_ssrc is not None:
                port.on_invalid_ssrc()

    def _forward_early(self, port: MediaPort) -> None:
        """Forward packets that came a moment before their op 5: TCP and UDP keep no order between them."""
        early = list(port.early)
        port.early.clear()
        if port.announced > {port.ssrc}:
            early += port.early_video
            port.early_video.clear()
        for datagram, arrival_s in early:
            if arrival_s >= self._clock.now() - _EARLY_S:
                port.received["announced_late"] += 1
                self._take_rtp(port, datagram, arrival_s)

    def _relay(
        self, port: MediaPort, datagram: bytes, header: RtpHeader, extension: bytes, frame: bytes, now: float
    ) -> None:
        statistics = port.stream(header.ssrc)
        statistics.arrived(header, frame, now)
        room = port.room
        if header.payload_type == OPUS_PAYLOAD_TYPE:
            statistics.watch(frame, encryption_due=room.encryption_due, in_transition=room.in_transition(now))
        clear, plaintext = port.dress.dress(datagram, header, extension, frame, now)
        packet = Packet(port.user_id, header, frame, clear, plaintext)
        for receiver in room.ports:
            if receiver is not port:
                self._deliver(receiver, packet, now)

    def _deliver(self, receiver: MediaPort, packet: Packet, now: float) -> None:
        hear = receiver.hear
        if hear is not None:
            self._through(receiver.down, now, lambda at: hear(packet, at))
            return
        if receiver.transport is None or receiver.address is None:
            return
        if packet.header.ssrc in receiver.unwanted:
            receiver.forwarded["unwanted"] += 1
        elif not receiver.understands_dave and packet.payload.endswith(_DAVE_MARKER):
            receiver.forwarded["dave_withheld"] += 1
        elif now < receiver.stalled_until_s:
            receiver.forwarded["stalled"] += 1
        elif not receiver.nat.passes_down(now):
            receiver.forwarded["nat_forgotten"] += 1
        else:
            receiver.forwarded["packets"] += 1
            plaintext = packet.plaintext
            if receiver.garbling is not None:
                plaintext = receiver.garbling.spoil(packet.sender, packet.header, packet.payload, plaintext)
            datagram = receiver.transport.seal_rtp(packet.clear, plaintext)
            if receiver.down.clean:
                self._send(datagram, receiver.address)
            else:
                self._through(receiver.down, now, lambda _: self._send_to(receiver, datagram))

    def _take_rtcp(self, port: MediaPort, datagram: bytes, now: float) -> None:
        if port.transport is None:
            port.received["before_session"] += 1
            return
        try:
            plaintext = port.transport.open(datagram, RTCP_CLEAR_BYTES)
            packets = parse_compound(datagram[:RTCP_CLEAR_BYTES] + plaintext)
        except WireError as error:
            port.received["open_failed" if isinstance(error, OpenFailed) else "malformed"] += 1
            return
        self._rtcp.take(port, packets, now)

    def _deliver_rtcp(self, receiver: MediaPort, packets: list[RtcpPacket], now: float) -> None:
        hear = receiver.hear_rtcp
        if hear is not None:
            self._through(receiver.down_reports, now, lambda at: hear(packets, at))
        elif receiver.transport is not None and receiver.address is not None:
            receiver.forwarded["rtcp"] += 1
            plain = build_compound(packets)
            sealed = receiver.transport.seal_rtcp(plain[:RTCP_CLEAR_BYTES], plain[RTCP_CLEAR_BYTES:])
            self._through(receiver.down_reports, now, lambda _: self._send_to(receiver, sealed))

    def _send_to(self, receiver: MediaPort, datagram: bytes) -> None:
        if receiver.address is not None and receiver.nat.passes_down(self._clock.now()):
            self._send(datagram, receiver.address)
