"""One participant's end of the SFU: its SSRCs, keys, faults and counters, both ways."""

import secrets
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from clankvox.ids import Ssrc, UserId
from clankvox.loopback.garbling import Garbling
from clankvox.loopback.impairment import Impairment, Link
from clankvox.loopback.nat_mapping import NatMapping
from clankvox.loopback.packet_dress import PacketDress
from clankvox.loopback.stream_statistics import StreamStatistics
from clankvox.loopback.video_port import VideoPort
from clankvox.wire.rtcp import Packet as RtcpPacket
from clankvox.wire.rtp import RtpHeader
from clankvox.wire.transport_crypto import KEY_BYTES, NONCE_BYTES, TransportMode, open_sealed, seal

Address = tuple[str, int]
Direction = Literal["up", "down", "both"]

_UPGRADE_GRACE_S: Final = 1.0
"""After an upgrade, clear frames that were under way are told apart from those that should not be."""
_MAX_EARLY: Final = 10
_RTCP_NONCE_BASE: Final = 0x8000_0000
"""The native client keeps RTP and RTCP nonces apart by the first bit."""


class Packet(NamedTuple):
    """An RTP packet on its way through the SFU: `clear` and `plaintext` are dressed, `payload` is the bare frame."""

    sender: UserId
    header: RtpHeader
    payload: bytes
    clear: bytes
    plaintext: bytes


class Transport:
    """The transport encryption of one client: one key, and nonces that never repeat."""

    __slots__ = ("_rtcp_nonce", "_rtp_nonce", "key", "mode")

    def __init__(self, mode: TransportMode) -> None:
        """Make a fresh key."""
        self.mode = mode
        self.key = secrets.token_bytes(KEY_BYTES)
        self._rtp_nonce = 0
        self._rtcp_nonce = _RTCP_NONCE_BASE

    def seal_rtp(self, clear: bytes, plaintext: bytes) -> bytes:
        """Return the whole datagram; its nonce counts little-endian, as native clients do."""
        self._rtp_nonce += 1
        return seal(self.mode, self.key, clear, plaintext, self._rtp_nonce.to_bytes(NONCE_BYTES, "little"))

    def seal_rtcp(self, clear: bytes, plaintext: bytes) -> bytes:
        """Return the whole RTCP datagram."""
        self._rtcp_nonce += 1
        return seal(self.mode, self.key, clear, plaintext, self._rtcp_nonce.to_bytes(NONCE_BYTES, "little"))

    def open(self, datagram: bytes, clear_bytes: int) -> bytes:
        """Return the plaintext; OpenFailed if it does not authenticate."""
        return open_sealed(self.mode, self.key, datagram, clear_bytes)


@dataclass(slots=True)
class MediaRoom:
    """Who exchanges media with whom, and whether frames have to be encrypted end to end."""

    ports: list["MediaPort"] = field(default_factory=list)
    encryption_due: bool = True
    upgraded_at_s: float = float("-inf")

    def in_transition(self, now: float) -> bool:
        """Whether clear frames that were sent before an upgrade may still arrive."""
        return now < self.upgraded_at_s + _UPGRADE_GRACE_S


class MediaPort(VideoPort):
    """What the SFU knows of one participant. The event loop owns it."""

    def __init__(self, user_id: UserId, ssrc: Ssrc, seed: int) -> None:
        """Begin with audio SSRC `ssrc`, in no room, not yet announced, without transport."""
        super().__init__()
        self.user_id = user_id
        self.ssrc = ssrc
        self.ssrcs: frozenset[int] = frozenset((ssrc,))
        """All SSRCs that this participant may send with, video and repair included."""
        self.announced: set[int] = set()
        """SSRCs that the others were told of (op 5 or 12); others are not forwarded."""
        self.early: deque[tuple[bytes, float]] = deque(maxlen=_MAX_EARLY)
        """Packets (and their arrival) that overtook the op 5 which announces them."""
        self.on_announced: Callable[[], None] | None = None
        self.unwanted: set[int] = set()
        """SSRCs that this participant does not want (op 15)."""
        self.understands_dave = True
        self.room = MediaRoom()
        self.transport: Transport | None = None
        self.address: Address | None = None
        self.hear: Callable[[Packet, float], None] | None = None
        """A member of ours that receives takes packets here, without transport."""
        self.hear_rtcp: Callable[[list[RtcpPacket], float], None] | None = None
        self.stalled_until_s = float("-inf")
        self.nat = NatMapping()
        self.garbling: Garbling | None = None
        """What of that which others send to this client it cannot open."""
        self.up = Link(f"up/{user_id}")
        self.down = Link(f"down/{user_id}")
        self.up_probes = Link(f"up-probes/{user_id}")
        self.down_probes = Link(f"down-probes/{user_id}")
        self.up_reports = Link(f"up-reports/{user_id}")
        self.down_reports = Link(f"down-reports/{user_id}")
        """Discovery, pings and RTCP have links of their own, so that they do not shift the sequence of the media's."""
        self.dress = PacketDress(f"{seed}/dress/{user_id}")
        self.streams: dict[int, StreamStatistics] = {}
        self.received: Counter[str] = Counter()
        """Datagrams from this participant by fate."""
        self.sealed_without: Counter[UserId] = Counter()
        """Frames of this participant, by the receivers who were not in the group that they were sealed for."""
        self.forwarded: Counter[str] = Counter()
        """Packets to this participant by fate."""

    def impair(self, impairment: Impairment, direction: Direction) -> None:
        """Apply faults to what comes from this participant (up), what goes to it (down), or both."""
        for name, links in (
            ("up", (self.up, self.up_probes, self.up_reports)),
            ("down", (self.down, self.down_probes, self.down_reports)),
        ):
            if direction in (name, "both"):
                for link in links:
                    link.impair(impairment)

    def announce(self, ssrcs: Iterable[int]) -> None:
        """Forward `ssrcs` from now on: the others were told whose they are."""
        self.announced.update(ssrcs)
        self.once_announced |= self.announced
        if (self.early or self.early_video) and self.on_announced is not None:
            self.on_announced()

    def may_send(self, ssrc: int) -> bool:
        """Whether the others were told of `ssrc`: by op 5 for audio, by op 12 and any op 5 for video."""
        return ssrc in self.announced and self.ssrc in self.announced

    def stream(self, ssrc: int) -> StreamStatistics:
        """Return the statistics of what this participant sends as `ssrc`."""
        statistics = self.streams.get(ssrc)
        if statistics is None:
            statistics = self.streams[ssrc] = StreamStatistics()
        return statistics

    def report(self) -> dict[str, object]:
        """Return the counters for `stats`."""
        audio = self.stream(self.ssrc)
        return {
            "ssrc": self.ssrc,
            **audio.report(),
            "received": dict(self.received),
            "sealedWithout": {str(user_id): count for user_id, count in self.sealed_without.items()},
            "forwarded": dict(self.forwarded),
            "impaired": {"up": dict(self.up.counters), "down": dict(self.down.counters)},
            "impairedRtcp": {"up": dict(self.up_reports.counters), "down": dict(self.down_reports.counters)},
            "video": {str(ssrc): stream.report() for ssrc, stream in self.video.items()},
            "wants": None if self.wants is None else self.wants.to_wire(),
        }
