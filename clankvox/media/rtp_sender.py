"""Sequence numbers, timestamps and sealing of one outgoing Opus stream (RFC 3550 section 5.1).

The playback actor prepares packets for the slots to come; the pacer thread sends them. What was prepared may still be
stopped or made stale by a change of key: then its place in the stream is given back, its nonce never.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final, NamedTuple, Protocol

from clankvox.clock import SLOT_S
from clankvox.errors import TransportLost
from clankvox.ids import Ssrc
from clankvox.media.packet_sealer import PacketSealer
from clankvox.media.pcm import FRAME_SAMPLES
from clankvox.ports import SendOutcome
from clankvox.wire.rtp import SILENCE_FRAME, build_header
from clankvox.wire.seq import seq_add, timestamp_add

_MAX_OFFSET_SLOTS: Final = 0.75
"""How far timestamps may be from real time: over one half, so that a grid in between two frames cannot waver."""


class Part(NamedTuple):
    """How much of one sound is in a frame."""

    sound: Hashable
    """Which sound, in the terms of whoever made the frame."""
    samples: int
    """Samples per channel at 48 kHz, without padding."""
    audible: bool
    """Whether any of them is not zero."""


class OpusFrame(NamedTuple):
    """An encoded frame on its way to a slot."""

    payload: bytes
    """The Opus packet before any encryption; it is sealed anew after a change of key."""
    audible: bool
    """Whether it carries anything but silence."""
    parts: tuple[Part, ...] = ()

    @property
    def is_silence(self) -> bool:
        """Whether it is the exact silence frame, of which it does not matter if one more or less leaves."""
        return self.payload == SILENCE_FRAME


class Generational(Protocol):
    """What a packet asks of the FrameCipher when it is about to leave."""

    @property
    def generation(self) -> int:
        """Grows with every change after which nothing sealed before may leave."""
        ...


class _Place(NamedTuple):
    """A packet's place in its stream: packets and slots since the first one, which never wrap."""

    ordinal: int
    slot: int
    deadline_s: float
    first_deadline_s: float


class PacketState(StrEnum):
    """What became of a prepared packet."""

    WAITING = "waiting"
    SENT = "sent"
    GIVEN_BACK = "given_back"


@dataclass(slots=True, eq=False, kw_only=True)
class SealedPacket:
    """A datagram that waits for its slot (a ports.PreparedPacket).

    One thread owns it at a time: the actor until it is armed, then the pacer, and the actor again once it has an
    outcome or was handed back.
    """

    datagram: bytes
    frame: OpusFrame
    """What it carries, to be sealed anew after a change of key."""
    sequence: int
    timestamp: int
    generation: int
    """The FrameCipher's generation that it was sealed under."""
    state: PacketState = PacketState.WAITING
    outcome: SendOutcome | None = None
    """What `send` came to, its last word; None before."""
    _place: _Place
    _before: _Place | None
    _cipher: Generational
    _transmit: Callable[[bytes], None]

    @property
    def deadline_s(self) -> float:
        """The instant of its timestamp, within three quarters of a slot: when it was due, however late it left."""
        return self._place.deadline_s

    def send(self) -> SendOutcome:
        """Transmit, unless cipher or gate changed since it was sealed (STALE: nothing leaves). Pacer thread.

        After STALE and FAILED the packet has not left, and may be given back.
        """
        outcome = SendOutcome.FAILED
        try:
            outcome = self._leave()
        finally:
            self.outcome = outcome
        return outcome

    def _leave(self) -> SendOutcome:
        if self.state is not PacketState.WAITING or self.generation != self._cipher.generation:
            return SendOutcome.STALE
        try:
            self._transmit(self.datagram)
        except TransportLost:
            return SendOutcome.FAILED
        self.state = PacketState.SENT
        return SendOutcome.SENT

    def __repr__(self) -> str:
        return f"<SealedPacket {self.sequence} {self.timestamp} {self.state.value}>"


class RtpSender:
    """Numbers and seals the packets of one SSRC. Not thread-safe: the playback actor owns it.

    The sequence counts packets; the timestamp follows real time over pauses, in whole frames.
    """

    def __init__(
        self,
        ssrc: Ssrc,
        payload_type: int,
        sealer: PacketSealer,
        rng: Random,
        *,
        cipher: Generational,
        transmit: Callable[[bytes], None],
    ) -> None:
        """Begin at a random sequence and timestamp out of `rng`.

        `cipher` is asked for its generation, and `transmit` called, on the pacer thread when a packet leaves;
        `transmit` raises TransportLost if it cannot hand over (UdpPort.send).
        """
        self._ssrc = ssrc
        self._payload_type = payload_type
        self._sealer = sealer
        self._cipher = cipher
        self._transmit = transmit
        self._first_sequence = rng.getrandbits(16)
        self._first_timestamp = rng.getrandbits(32)
        self._last: _Place | None = None

    def prepare(self, payload: bytes, slot_deadline_s: float, generation: int, frame: OpusFrame) -> SealedPacket:
        """Seal `payload`, which FrameCipher made of `frame`, for the slot that is due at `slot_deadline_s`.

        Read `generation` before FrameCipher.seal_opus, so that a change in between makes the packet stale.
        Raises TransportLost when the key's nonces are used up.
        """
        before = self._last
        place = _after(before, slot_deadline_s)
        sequence = seq_add(self._first_sequence, place.ordinal)
        timestamp = timestamp_add(self._first_timestamp, place.slot * FRAME_SAMPLES)
        header = build_header(payload_type=self._payload_type, sequence=sequence, timestamp=timestamp, ssrc=self._ssrc)
        datagram = self._sealer.seal(header, payload)
        self._last = place
        return SealedPacket(
            datagram=datagram,
            frame=frame,
            sequence=sequence,
            timestamp=timestamp,
            generation=generation,
            _place=place,
            _before=before,
            _cipher=self._cipher,
            _transmit=self._transmit,
        )

    def give_back(self, packet: SealedPacket) -> bool:
        """Let the next packet have the place of `packet`, which has not left and now never will.

        Give back before the next `prepare`, the newest packet first: the place of an older one is lost (False),
        as is one that was sent or given back already.
        """
        if packet.state is not PacketState.WAITING:
            return False
        packet.state = PacketState.GIVEN_BACK
        if packet._place is not self._last:  # noqa: SLF001 - the two classes are one invention
            return False
        self._last = packet._before  # noqa: SLF001
        return True


def _after(before: _Place | None, deadline_s: float) -> _Place:
    """Place of a packet that is due at `deadline_s` and follows `before`."""
    if before is None:
        return _Place(0, 0, deadline_s, deadline_s)
    # on one grid packets stay whole slots apart; where the pacer began a new grid, real time since the first
    # packet decides, so that rounding does not add up over many pauses
    slot = before.slot + max(1, round((deadline_s - before.deadline_s) / SLOT_S))
    elapsed_slots = (deadline_s - before.first_deadline_s) / SLOT_S
    if abs(slot - elapsed_slots) > _MAX_OFFSET_SLOTS:
        slot = max(before.slot + 1, round(elapsed_slots))
    return _Place(before.ordinal + 1, slot, deadline_s, before.first_deadline_s)
