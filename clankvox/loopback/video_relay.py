"""Video through the media server: payload types per receiver, retransmissions, and what nobody wants stays away."""

from collections.abc import Callable
from typing import Final

from clankvox.ids import Ssrc
from clankvox.loopback.codec_table import DEFAULT_VIDEO_CODEC, Format
from clankvox.loopback.media_port import MediaPort, Packet
from clankvox.loopback.options import VideoPolicy
from clankvox.loopback.packet_cache import PacketCache
from clankvox.loopback.stap_repacker import Arrival, StapRepacker
from clankvox.wire.rtp import FIXED_HEADER_BYTES, RtpHeader, build_header

_ORIGINAL_BYTES: Final = 2
"""A retransmission begins with the sequence number that it had (RFC 4588 section 4)."""
_MAX_WAITING: Final = 2048
_HELD_S: Final = 0.005

Deliver = Callable[[MediaPort, Packet, float], None]
Later = Callable[[float, Callable[[], None]], object]


class VideoRelay:
    """Takes opened video packets. The event loop owns it."""

    def __init__(self, policy: VideoPolicy, deliver: Deliver, call_at: Later) -> None:
        """Hand packets for one receiver over to `deliver`."""
        self.policy = policy
        self._deliver = deliver
        self._call_at = call_at
        self._streams: dict[int, _Stream] = {}

    def take(self, port: MediaPort, arrival: Arrival, now: float) -> None:
        """Take a packet of one of the video or repair SSRCs of `port`."""
        header = arrival.header
        primary = port.repairs.get(header.ssrc)
        form = _format(port, header, repair=primary is not None)
        if form is None:
            port.received["wrong_payload_type"] += 1
            return
        port.received["packets"] += 1
        if primary is not None:
            self._take_repair(port, arrival, primary, form, now)
            return
        statistics, room = port.video_stream(header.ssrc), port.room
        statistics.arrived(header, arrival.payload, now)
        statistics.watch(
            header, arrival.payload, encryption_due=room.encryption_due, in_transition=room.in_transition(now)
        )
        stream = self._stream(port, header.ssrc, form)
        if self.policy.stap_a and form.codec == "H264":
            stream.repacker.take(arrival, now)
            if stream.repacker.holding:
                self._call_at(now + _HELD_S, lambda: stream.repacker.overdue(now + _HELD_S))
        else:
            stream.repacker.overdue(now)
            self._pass_on(port, arrival, form, now)

    def asked(
        self, receiver: MediaPort, owner: MediaPort, ssrc: int, sequences: tuple[int, ...], now: float
    ) -> list[int]:
        """Answer a NACK of `receiver` out of the cache; return what is left for the sender to answer."""
        statistics = owner.video_stream(ssrc)
        statistics.nacks += 1
        statistics.nacked_packets += len(sequences)
        stream = self._streams.get(ssrc)
        if stream is None:
            return list(sequences)
        left = []
        for sequence in sequences:
            packet = stream.cache.get(sequence)
            # the sender does not have what was repacked here
            if packet is not None and (self.policy.nack or self.policy.stap_a):
                self._repair(receiver, owner, packet, stream.form, now)
                continue
            left.append(sequence)
            if self.policy.nack:
                if len(stream.waiting) >= _MAX_WAITING:
                    stream.waiting.clear()
                stream.waiting.setdefault(sequence, set()).add(receiver)
        return left

    def forget(self, port: MediaPort) -> None:
        """Drop the streams of `port`, and that it waits for any packet."""
        for ssrc in port.ssrcs:
            self._streams.pop(ssrc, None)
        for stream in self._streams.values():
            for receivers in stream.waiting.values():
                receivers.discard(port)

    def _stream(self, port: MediaPort, ssrc: int, form: Format) -> "_Stream":
        stream = self._streams.get(ssrc)
        if stream is None or stream.form != form:
            stream = self._streams[ssrc] = _Stream(form, lambda arrival, at: self._pass_on(port, arrival, form, at))
        return stream

    def _pass_on(self, port: MediaPort, arrival: Arrival, form: Format, now: float) -> None:
        packet = _dressed(port, arrival, now)
        self._stream(port, arrival.header.ssrc, form).cache.store(arrival.header.sequence, packet)
        self._fan_out(port, packet, arrival.header.ssrc, form, now)

    def _take_repair(self, port: MediaPort, arrival: Arrival, primary: int, form: Format, now: float) -> None:
        """Pass on the sender's retransmission, or use it to answer for whom the SFU lacked the packet."""
        statistics = port.video_stream(primary)
        statistics.rtx_packets += 1
        if not self.policy.nack:
            self._fan_out(port, _dressed(port, arrival, now), primary, form, now)
            return
        stream = self._streams.get(primary)
        if stream is None or len(arrival.payload) < _ORIGINAL_BYTES:
            port.received["repair_probe"] += 1
            return
        sequence = int.from_bytes(arrival.payload[:_ORIGINAL_BYTES], "big")
        header = arrival.header._replace(sequence=sequence, ssrc=Ssrc(primary), payload_type=stream.payload_type(port))
        original = Packet(port.user_id, header, arrival.payload[_ORIGINAL_BYTES:], b"", b"")
        stream.cache.store(sequence, original)
        for receiver in stream.waiting.pop(sequence, set()):
            self._repair(receiver, port, original, stream.form, now)

    def _repair(self, receiver: MediaPort, owner: MediaPort, packet: Packet, form: Format, now: float) -> None:
        """Send `packet` again under the repair SSRC, with a sequence of this receiver's own."""
        primary = packet.header.ssrc
        rtx_ssrc = next((rtx for rtx, media in owner.repairs.items() if media == primary), None)
        if rtx_ssrc is None:
            return
        owner.video_stream(primary).rtx_here += 1
        header = packet.header._replace(
            ssrc=Ssrc(rtx_ssrc),
            sequence=receiver.next_repair_sequence(rtx_ssrc),
            payload_type=owner.codecs.sent_as(Format(form.codec, repair=True), packet.header.payload_type + 1),
            clear_bytes=FIXED_HEADER_BYTES,
            extension_bytes=0,
        )
        payload = packet.header.sequence.to_bytes(_ORIGINAL_BYTES, "big") + packet.payload
        again = _dressed(owner, Arrival(bare(header), header, b"", payload), now)
        self._forward(receiver, again, primary, Format(form.codec, repair=True), now)

    def _fan_out(self, port: MediaPort, packet: Packet, primary: int, form: Format, now: float) -> None:
        for receiver in port.room.ports:
            if receiver is not port:
                self._forward(receiver, packet, primary, form, now)

    def _forward(self, receiver: MediaPort, packet: Packet, primary: int, form: Format, now: float) -> None:
        if not receiver.video_described:
            receiver.forwarded["before_op_12"] += 1
            return
        if not receiver.wants_video(primary):
            receiver.forwarded["unwanted"] += 1
            return
        if receiver.codecs.empty:
            self._deliver(receiver, packet, now)
            return
        payload_type = receiver.codecs.payload_type(form)
        if payload_type is None:
            receiver.forwarded["no_codec"] += 1
            return
        header = packet.header._replace(payload_type=payload_type)
        clear = packet.clear[:1] + bytes((packet.clear[1] & 0x80 | payload_type,)) + packet.clear[2:]
        self._deliver(receiver, packet._replace(header=header, clear=clear), now)


class _Stream:
    """What the SFU keeps of one primary SSRC."""

    def __init__(self, form: Format, pass_on: Callable[[Arrival, float], None]) -> None:
        self.form = form
        self.cache: PacketCache[Packet] = PacketCache()
        self.repacker = StapRepacker(pass_on)
        self.waiting: dict[int, set[MediaPort]] = {}
        """Who asked for a packet that has not come here either."""

    def payload_type(self, port: MediaPort) -> int:
        """Return the sender's payload type of this stream."""
        return port.codecs.sent_as(self.form, 0)


def bare(header: RtpHeader) -> bytes:
    """Return the 12 bytes of `header` on the wire."""
    return build_header(
        payload_type=header.payload_type,
        sequence=header.sequence,
        timestamp=header.timestamp,
        ssrc=header.ssrc,
        marker=header.marker,
    )


def _dressed(port: MediaPort, arrival: Arrival, now: float) -> Packet:
    clear, plaintext = port.dress.dress(*arrival, now, repair=arrival.header.ssrc in port.repairs)
    return Packet(port.user_id, arrival.header, arrival.payload, clear, plaintext)


def _format(port: MediaPort, header: RtpHeader, *, repair: bool) -> Format | None:
    """Return what the packet is; None if its payload type says something else than its SSRC."""
    if port.codecs.empty:
        return Format(DEFAULT_VIDEO_CODEC, repair)
    form = port.codecs.format(header.payload_type)
    return form if form is not None and form.repair == repair and form.codec != "opus" else None
