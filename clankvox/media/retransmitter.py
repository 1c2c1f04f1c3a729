"""Answers to NACK: packets out of the cache again, each on the RTX SSRC and sealed under a fresh nonce (RFC 4588)."""

from random import Random
from typing import Final

from clankvox.errors import TransportLost
from clankvox.media.rtx_cache import CachedPacket
from clankvox.media.video_path import VideoPacket
from clankvox.media.video_sender import VideoSender
from clankvox.ports import SendOutcome
from clankvox.wire import rtx
from clankvox.wire.rtcp import Nack
from clankvox.wire.rtp import H264_PAYLOAD_TYPE, build_header
from clankvox.wire.seq import seq_add
from clankvox.wire.video_extensions import build_video_extensions

OLDEST_S: Final = 3.0
"""A picture of this age is of no use to anybody."""
AGAIN_AFTER_S: Final = 0.040
"""Several viewers miss the same packet, and each asks again every 100 ms: one answer serves all of a moment."""
RATE_PACKETS: Final = 300
"""Retransmissions a second, and in one burst: about as many as the stream has packets."""
H264_RTX_PAYLOAD_TYPE: Final = H264_PAYLOAD_TYPE + 1
_REMEMBERED: Final = 1_024


class Retransmitter:
    """Serves one VideoSender's receivers. Not thread-safe: the role's UDP thread owns it."""

    def __init__(self, sender: VideoSender, rng: Random) -> None:
        """Begin the RTX stream at a random sequence out of `rng`."""
        self._sender = sender
        self._path = sender.path
        self._next_sequence = rng.getrandbits(16)
        self._answered: dict[int, float] = {}
        self._credit = float(RATE_PACKETS)
        self._credited_at: float | None = None

    def answer(self, nack: Nack, now: float) -> int:
        """Queue what `nack` asks for and may be sent; returns how many packets that is. Raises nothing."""
        self._path.counters.nacked += len(nack.sequences)
        self._earn(now)
        packets: list[VideoPacket] = []
        for sequence in nack.sequences:
            if self._credit < 1.0:
                break
            cached = self._sender.cache.find(sequence)
            if cached is None or not self._is_due(cached, now):
                continue
            try:
                packets.append(self._sealed(cached, now))
            except TransportLost:
                break
            self._credit -= 1.0
            self._answered[sequence] = now
        if not packets or self._path.pacer.queue(self._path.rtx_ssrc, packets, 0.0):
            return len(packets)
        self._path.counters.repairs_refused += len(packets)
        return 0

    def _is_due(self, cached: CachedPacket, now: float) -> bool:
        if cached.generation != self._path.cipher.generation or now - cached.queued_at > OLDEST_S:
            return False
        answered_at = self._answered.get(cached.sequence)
        return answered_at is None or now - answered_at >= AGAIN_AFTER_S

    def _earn(self, now: float) -> None:
        if self._credited_at is not None:
            earned = max(0.0, now - self._credited_at) * RATE_PACKETS
            self._credit = min(float(RATE_PACKETS), self._credit + earned)
        self._credited_at = now
        if len(self._answered) > _REMEMBERED:
            self._answered = {number: at for number, at in self._answered.items() if now - at < AGAIN_AFTER_S}

    def _sealed(self, cached: CachedPacket, now: float) -> VideoPacket:
        body = build_video_extensions(now, next(self._sender.transport_sequence), repair=True)
        header = build_header(
            payload_type=H264_RTX_PAYLOAD_TYPE,
            sequence=self._next_sequence,
            timestamp=cached.timestamp,
            ssrc=self._path.rtx_ssrc,
            marker=cached.marker,
            extension_words=len(body) // 4,
        )
        payload = rtx.wrap(cached.sequence, cached.payload)
        datagram = self._path.sealer.seal(header, body + payload)
        packet = VideoPacket(datagram, self._next_sequence, cached.generation, len(payload), self._path, self._note)
        self._next_sequence = seq_add(self._next_sequence, 1)
        return packet

    def _note(self, _packet: VideoPacket, outcome: SendOutcome) -> None:
        if outcome is SendOutcome.SENT:
            self._path.counters.retransmitted += 1
