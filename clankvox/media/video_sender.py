"""One video SSRC from access units to packets in the pacer's lane (RFC 3550 section 5.1, RFC 6184 section 5.8).

Shared by threads, under a lock: the publish worker sends; an actor revokes and asks for reports. What it made of an
access unit may become stale before it leaves, and then no later picture can be decoded: the worker is told to make an
IDR (`wants_idr`).
"""

import itertools
import threading
from collections.abc import Callable, Iterator
from random import Random
from typing import Final

from clankvox.errors import MlsError
from clankvox.media.frame_cipher import Gate
from clankvox.media.rtx_cache import CachedPacket, RtxCache
from clankvox.media.sender_report import SentTally
from clankvox.media.video_encoder import AccessUnit
from clankvox.media.video_path import VideoPacket, VideoPath
from clankvox.ports import SendOutcome
from clankvox.wire.h264 import packetise, split_annex_b
from clankvox.wire.rtp import H264_PAYLOAD_TYPE, VIDEO_CLOCK_HZ, build_header
from clankvox.wire.seq import seq_add, seq_delta, timestamp_add
from clankvox.wire.video_codec import VideoCodec
from clankvox.wire.video_extensions import build_video_extensions

MAX_PAYLOAD_BYTES: Final = 1_150
"""With 20 bytes of extensions a datagram has 1,206 bytes, under every MTU that occurs."""


def _nothing() -> None:
    """Nobody wants to know."""


class _Departure:
    """One access unit on its way: tells once whether all of it left. Written on the pacer thread only."""

    __slots__ = ("_instant_s", "_left", "_on_left", "_sender", "_timestamp", "_waiting")

    def __init__(
        self, sender: "VideoSender", timestamp: int, instant_s: float, packets: int, on_left: Callable[[], None]
    ) -> None:
        self._sender = sender
        self._timestamp = timestamp
        self._instant_s = instant_s
        self._waiting = packets
        self._left = True
        self._on_left = on_left

    def note(self, packet: VideoPacket, outcome: SendOutcome) -> None:
        """Take the fate of one of its packets."""
        self._waiting -= 1
        counters = packet.path.counters
        match outcome:
            case SendOutcome.SENT:
                counters.packets_sent += 1
                self._sender.tally.note(packet.payload_octets, self._timestamp, self._instant_s)
            case SendOutcome.STALE:
                counters.packets_stale += 1
                self._left = False
                self._sender.ask_idr()
            case _:
                counters.send_failures += 1
                self._left = False
                self._sender.ask_idr()
        if not self._waiting and self._left:
            counters.frames_sent += 1
            self._on_left()


class VideoSender:
    """Numbers, encrypts, packetises and seals. Lives as long as its connection's SSRC, over all sources."""

    def __init__(self, path: VideoPath, rng: Random) -> None:
        """Begin at a random sequence and timestamp out of `rng`."""
        self._path = path
        self._lock = threading.Lock()
        self._lease = 0
        self._next_sequence = rng.getrandbits(16)
        self._first_timestamp = rng.getrandbits(32)
        self._first_instant_s: float | None = None
        self._last_ticks = -1
        self._idr_wanted = True
        self.transport_sequence: Iterator[int] = itertools.count()
        """Numbers all packets of media and RTX together; `next` on it is atomic."""
        self.cache = RtxCache()
        self.tally = SentTally(path.ssrc, VIDEO_CLOCK_HZ)

    @property
    def path(self) -> VideoPath:
        """Where it sends to."""
        return self._path

    @property
    def may_send(self) -> bool:
        """Whether an access unit could leave now. Any thread."""
        return self._path.cipher.gate is not Gate.CLOSED

    @property
    def wants_idr(self) -> bool:
        """Whether the next access unit must be an IDR, because one before it was lost on our side. Any thread."""
        return self._idr_wanted

    def ask_idr(self) -> None:
        """Make the next access unit an IDR. Any thread."""
        self._idr_wanted = True

    @property
    def backlog_s(self) -> float:
        """How long what waits in the pacer needs to leave. Any thread."""
        return self._path.pacer.backlog_s(self._path.ssrc)

    def lease(self) -> int:
        """Give the right to send to a new holder; whoever had it sends nothing any more. Any thread."""
        with self._lock:
            self._lease += 1
            self._take_back()
            return self._lease

    def revoke(self, lease: int) -> None:
        """End the right to send, if it is still the holder's, and drop what has not begun to leave. Any thread."""
        with self._lock:
            if lease == self._lease:
                self._lease += 1
                self._take_back()

    def take_back(self, lease: int) -> None:
        """Drop the pictures that have not begun to leave; their numbers are used again. Any thread."""
        with self._lock:
            if lease == self._lease:
                self._take_back()

    def send(
        self, lease: int, unit: AccessUnit, instant_s: float, *, spread_s: float, now: float,
        on_left: Callable[[], None] = _nothing,
    ) -> bool:  # fmt: skip
        """Queue `unit`, to be seen at `instant_s` (seconds of the clock), over `spread_s`; False if it was dropped.

        `on_left` is called on the pacer thread if all of it was handed to the socket. Delta pictures are dropped
        while an IDR is wanted. Raises TransportLost when the key's nonces are used up.
        """
        with self._lock:
            if lease != self._lease or (self._idr_wanted and not unit.keyframe):
                self._path.counters.frames_dropped += 1
                return False
            self._idr_wanted = False  # before the seal: what turns stale from now on asks again
            if self._queue(unit, instant_s, spread_s, now, on_left):
                return True
            self._idr_wanted = True
            self._path.counters.frames_dropped += 1
            return False

    def _queue(
        self, unit: AccessUnit, instant_s: float, spread_s: float, now: float, on_left: Callable[[], None]
    ) -> bool:
        path = self._path
        generation = path.cipher.generation
        try:
            sealed = path.cipher.seal_video(unit.data, VideoCodec.H264)
        except MlsError:
            path.counters.encrypt_failures += 1
            return False
        if sealed is None:
            return False
        payloads = packetise(split_annex_b(sealed), MAX_PAYLOAD_BYTES)
        if not payloads:
            return False
        ticks, timestamp = self._timestamp(instant_s)
        departure = _Departure(self, timestamp, instant_s, len(payloads), on_left)
        last = len(payloads) - 1
        first_sequence = self._next_sequence
        packets = []
        for number, payload in enumerate(payloads):
            cached = CachedPacket(seq_add(first_sequence, number), timestamp, number == last, payload, generation, now)
            packets.append(self._sealed(cached, departure))
            self.cache.put(cached)
        if not path.pacer.queue(path.ssrc, packets, spread_s):
            self.cache.forget(first_sequence, seq_add(first_sequence, len(packets)))
            return False
        self._last_ticks = ticks
        self._next_sequence = seq_add(first_sequence, len(packets))
        return True

    def _timestamp(self, instant_s: float) -> tuple[int, int]:
        """Ticks since the first picture, rounded from the whole time, so that no remainder is lost; never backward."""
        if self._first_instant_s is None:
            self._first_instant_s = instant_s
        ticks = max(self._last_ticks + 1, round((instant_s - self._first_instant_s) * VIDEO_CLOCK_HZ))
        return ticks, timestamp_add(self._first_timestamp, ticks)

    def _sealed(self, cached: CachedPacket, departure: _Departure) -> VideoPacket:
        body = build_video_extensions(cached.queued_at, next(self.transport_sequence))
        header = build_header(
            payload_type=H264_PAYLOAD_TYPE,
            sequence=cached.sequence,
            timestamp=cached.timestamp,
            ssrc=self._path.ssrc,
            marker=cached.marker,
            extension_words=len(body) // 4,
        )
        datagram = self._path.sealer.seal(header, body + cached.payload)
        return VideoPacket(
            datagram, cached.sequence, cached.generation, len(cached.payload), self._path, departure.note
        )

    def _take_back(self) -> None:
        unsent = [packet for packet in self._path.pacer.clear(self._path.ssrc) if isinstance(packet, VideoPacket)]
        if not unsent:
            return
        self._idr_wanted = True
        self._path.counters.packets_dropped += len(unsent)
        if seq_delta(self._next_sequence, unsent[0].sequence) == len(unsent):
            self.cache.forget(unsent[0].sequence, self._next_sequence)
            self._next_sequence = unsent[0].sequence
