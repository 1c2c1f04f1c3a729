"""The ledger of outgoing frames: every frame that was made for a slot, and what became of it.

    made = sent + refused + unsealed + dropped + pending

where at most a few frames are pending: in their slot, or waiting to be sealed anew.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from clankvox.errors import ClankvoxError


class FrameFate(StrEnum):
    """What became of a frame."""

    SENT = "sent"
    """Its packet was handed to the socket."""
    REFUSED = "refused"
    """The socket did not take its packet."""
    UNSEALED = "unsealed"
    """It could not be encrypted, so it did not leave."""
    DROPPED = "dropped"
    """A stop, a reset or a newer path came before its slot."""


class FrameImbalance(ClankvoxError):
    """A frame was lost track of, or counted twice."""

    code = "frame_imbalance"


class Faults(NamedTuple):
    """What went wrong before frames were made, as their maker has counted it."""

    speech_underruns: int = 0
    music_underruns: int = 0
    limited: int = 0


class FrameLedger:
    """Entries of one outgoing stream since the process started. Written by one thread, read by any."""

    __slots__ = ("fates", "limited", "made", "music_underruns", "resealed", "speech_underruns")

    def __init__(self) -> None:
        self.made = 0
        self.fates: Final[dict[FrameFate, int]] = dict.fromkeys(FrameFate, 0)
        self.resealed = 0
        """Times that a frame was sealed again because cipher or path had changed; not a fate."""
        self.speech_underruns = 0
        """Times that speech ran out before its end."""
        self.music_underruns = 0
        """Times that a track ran out before its end."""
        self.limited = 0
        """Frames that were too loud."""

    def settle(self, fate: FrameFate, count: int = 1) -> None:
        """Enter what became of `count` frames."""
        self.fates[fate] += count

    def enter(self, faults: Faults, known: Faults) -> Faults:
        """Enter by how much `faults` exceed those that are `known`, and return them."""
        self.speech_underruns += faults.speech_underruns - known.speech_underruns
        self.music_underruns += faults.music_underruns - known.music_underruns
        self.limited += faults.limited - known.limited
        return faults

    @property
    def pending(self) -> int:
        """Frames without a fate."""
        return self.made - sum(self.fates.values())

    def check(self, pending: int) -> None:
        """Raise FrameImbalance unless exactly `pending` frames are without a fate."""
        if self.pending != pending:
            raise FrameImbalance(f"{self.pending} frames without a fate, {pending} pending")
