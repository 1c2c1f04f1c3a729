"""RTCP through the media server: reports and requests go to those whom they concern, sealed anew for each."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final

from clankvox.loopback.media_port import MediaPort
from clankvox.loopback.video_relay import VideoRelay
from clankvox.wire.rtcp import Fir, Nack, Packet, Pli, ReceiverReport, SenderReport, Unknown

_SOURCE_DESCRIPTION: Final = 202

Deliver = Callable[[MediaPort, list[Packet], float], None]
Outgoing = defaultdict[MediaPort, list[Packet]]


class RtcpRelay:
    """Takes opened compound packets. The event loop owns it."""

    def __init__(self, video: VideoRelay, owner: Callable[[int], MediaPort | None], deliver: Deliver) -> None:
        """`owner` tells who sends an SSRC."""
        self._video = video
        self._owner = owner
        self._deliver = deliver

    def take(self, port: MediaPort, packets: Iterable[Packet], now: float) -> None:
        """Route what `port` sent. What is for nobody here is dropped."""
        port.received["rtcp"] += 1
        outgoing: Outgoing = defaultdict(list)
        reported = False
        for packet in packets:
            match packet:
                case SenderReport(ssrc=ssrc) if ssrc in port.announced:
                    reported = True
                    self._to_others(port, packet, outgoing)
                case Unknown(packet_type=kind) if kind == _SOURCE_DESCRIPTION and reported:
                    self._to_others(port, packet, outgoing)
                case ReceiverReport():
                    self._report(port, packet, outgoing)
                case Pli() | Fir():
                    self._request_picture(port, packet, outgoing)
                case Nack(media_ssrc=ssrc):
                    self._request_packets(port, packet, outgoing, now)
        for receiver, due in outgoing.items():
            self._deliver(receiver, due, now)

    def _to_others(self, port: MediaPort, packet: Packet, outgoing: Outgoing) -> None:
        for receiver in port.room.ports:
            if receiver is not port:
                outgoing[receiver].append(packet)

    def _report(self, port: MediaPort, report: ReceiverReport, outgoing: Outgoing) -> None:
        """Let each sender see what is said of its own streams."""
        by_owner: dict[MediaPort, list[int]] = defaultdict(list)
        for index, block in enumerate(report.blocks):
            owner = self._sender(port, block.ssrc)
            if owner is not None:
                by_owner[owner].append(index)
        for owner, indexes in by_owner.items():
            outgoing[owner].append(ReceiverReport(report.ssrc, tuple(report.blocks[index] for index in indexes)))

    def _request_picture(self, port: MediaPort, request: Pli | Fir, outgoing: Outgoing) -> None:
        ssrcs = [request.media_ssrc] if isinstance(request, Pli) else [one.ssrc for one in request.requests]
        for ssrc in dict.fromkeys(ssrcs):
            owner = self._sender(port, ssrc)
            if owner is None:
                continue
            if ssrc != owner.ssrc:
                statistics = owner.video_stream(ssrc)
                statistics.plis += isinstance(request, Pli)
                statistics.firs += isinstance(request, Fir)
            if self._video.policy.pli and request not in outgoing[owner]:
                outgoing[owner].append(request)

    def _request_packets(self, port: MediaPort, nack: Nack, outgoing: Outgoing, now: float) -> None:
        owner = self._sender(port, nack.media_ssrc)
        if owner is None:
            return
        left: Iterable[int] = nack.sequences
        if nack.media_ssrc != owner.ssrc:
            left = self._video.asked(port, owner, nack.media_ssrc, nack.sequences, now)
        if left:
            outgoing[owner].append(nack._replace(sequences=tuple(left)))

    def _sender(self, port: MediaPort, ssrc: int) -> MediaPort | None:
        owner = self._owner(ssrc)
        return owner if owner is not None and owner is not port and owner.room is port.room else None
