"""The loss ledger: every packet that was to be heard, and what became of it.

Per stream (one SSRC) two things are counted on the way in:

- `arrived`: datagrams that came with this SSRC, duplicates included;
- `missing`: sequence numbers that were given up because later ones had to be played.

and each of them gets exactly one `Fate` on the way out, or is still pending (held, waiting in the reorder window):

    arrived + missing = sum of all fates + pending

A packet that comes after it was given up is in both, once as MISSING fate and once as LATE; `expected` counts it once.
"""

from enum import StrEnum
from typing import Final

from clankvox.errors import ClankvoxError
from clankvox.ids import Ssrc


class Fate(StrEnum):
    """What became of a packet."""

    DECODED = "decoded"
    """Delivered."""
    QUIET = "quiet"
    """A silence frame outside of speech: understood, and not worth a capture."""
    EMPTY = "empty"
    """Padding only."""
    UNCAPTURED = "uncaptured"
    """Opened, and nobody asked for this user within the time that it was held."""
    UNSPOKEN = "unspoken"
    """Decoded, with less speech in it than its capture asked for."""
    BOUNDARY_DROPPED = "boundary_dropped"
    """Decoded, and the parent was too slow to take it."""

    RECOVERED = "recovered"
    """Missing, and its successor carried a copy (FEC)."""
    CONCEALED = "concealed"
    """Missing, and made up by the decoder."""
    SILENCED = "silenced"
    """Missing, in a gap too long to make up: its time is filled with silence."""
    LOST = "lost"
    """Missing, and its time is not filled."""

    LATE = "late"
    DUPLICATE = "duplicate"
    AEAD_FAILED = "aead_failed"
    """Not authenticated by the transport: forged or damaged, so the SSRC is only a claim."""
    MALFORMED = "malformed"
    """Authenticated, with padding or extension that cannot be."""
    UNENCRYPTED = "unencrypted"
    """In clear where only end-to-end-encrypted frames are accepted."""
    NO_GROUP = "no_group"
    """No DAVE group came into being within the time that it was held."""
    NO_KEY = "no_key"
    """No key of its sender opened it within the time that it was held."""
    UNKNOWN_SSRC = "unknown_ssrc"
    """Nobody could be found who sent it within the time that it was held."""
    CODEC_FAILED = "codec_failed"
    """Opened, and no Opus."""
    OTHER_SSRC = "other_ssrc"
    """Opened, but its user speaks on another SSRC now."""
    DISCARDED = "discarded"
    """Still pending when its connection or its user went away."""


MISSING_FATES: Final = frozenset({Fate.RECOVERED, Fate.CONCEALED, Fate.SILENCED, Fate.LOST})
DAVE_FATES: Final = frozenset({Fate.UNENCRYPTED, Fate.NO_GROUP, Fate.NO_KEY, Fate.UNKNOWN_SSRC})


class LedgerImbalance(ClankvoxError):
    """A packet was lost track of, or counted twice."""

    code = "ledger_imbalance"


class StreamLedger:
    """One stream's entries. Not thread-safe: it belongs to the role's UDP thread."""

    __slots__ = ("arrived", "fates", "gaps", "late_after_missing", "missing", "rebinds", "restarts", "ssrc")

    def __init__(self, ssrc: Ssrc) -> None:
        self.ssrc = ssrc
        self.arrived = 0
        self.missing = 0
        self.late_after_missing = 0
        self.gaps = 0
        """Runs of missing packets."""
        self.restarts = 0
        """Times that the sender began a new sequence."""
        self.rebinds = 0
        """Times that the SSRC went to another user."""
        self.fates: dict[Fate, int] = dict.fromkeys(Fate, 0)

    def settle(self, fate: Fate, count: int = 1) -> None:
        """Enter what became of `count` arrived packets."""
        self.fates[fate] += count

    def settle_missing(self, fate: Fate, count: int) -> None:
        """Enter `count` packets that never came (or not in time), and what stands in for them."""
        self.missing += count
        self.fates[fate] += count

    @property
    def expected(self) -> int:
        """Packets that the sender's side meant for us, and copies of them; none counted twice."""
        return self.arrived + self.missing - self.late_after_missing

    def balance(self) -> int:
        """Packets without a fate: those that are pending."""
        return self.arrived + self.missing - sum(self.fates.values())

    def check(self, pending: int) -> None:
        """Raise LedgerImbalance unless exactly `pending` packets are without a fate."""
        by_kind = sum(self.fates[fate] for fate in MISSING_FATES)
        if self.balance() != pending or by_kind != self.missing:
            raise LedgerImbalance(f"{self.balance()} packets without a fate, {pending} pending")

    def absorb(self, other: "StreamLedger") -> None:
        """Add the entries of a stream that is over."""
        for name in ("arrived", "missing", "late_after_missing", "gaps", "restarts", "rebinds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for fate, count in other.fates.items():
            self.fates[fate] += count


class ReceiveTotals:
    """A role's counters since the process started; reading single counters is safe from any thread."""

    __slots__ = (
        "before_key",
        "concealed_frames",
        "dave_decrypt_fail",
        "discovery_refused",
        "forward_loss_gaps",
        "not_audio",
        "own_ssrc",
        "packets",
        "rtcp",
        "rtcp_refused",
        "streams_evicted",
        "transport_decrypt_fail",
        "unrecognized",
    )

    def __init__(self) -> None:
        self.packets = 0
        """Audio packets that the transport authenticated."""
        self.transport_decrypt_fail = 0
        self.dave_decrypt_fail = 0
        """Packets given up because no key opened them, or that came in clear; each counted once."""
        self.forward_loss_gaps = 0
        """Gaps, not packets."""
        self.concealed_frames = 0
        """Packets that were missing and that FEC, PLC or silence stands in for."""
        self.unrecognized = 0
        """Datagrams that are nothing that we know."""
        self.discovery_refused = 0
        """Datagrams like an answer to IP discovery that answer no question of ours."""
        self.rtcp = 0
        self.rtcp_refused = 0
        """RTCP that does not authenticate or cannot be read."""
        self.not_audio = 0
        self.own_ssrc = 0
        self.before_key = 0
        """RTP that came before the transport key and could not be kept until it was there."""
        self.streams_evicted = 0
        """Streams forgotten because too many different SSRCs came."""
