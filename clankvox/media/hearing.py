"""How much of what others say is heard: the sum of all ledgers, as the watchdog of a connection asks for it."""

from typing import Final, NamedTuple

from clankvox.ledger import Fate, StreamLedger

_OPENED: Final = (Fate.DECODED, Fate.UNCAPTURED, Fate.UNSPOKEN, Fate.BOUNDARY_DROPPED, Fate.OTHER_SSRC)
"""Fates of frames that were opened for certain; silence frames may come in clear from anybody."""
_UNOPENED: Final = (Fate.NO_KEY, Fate.NO_GROUP, Fate.UNKNOWN_SSRC)


class Hearing(NamedTuple):
    """Audio frames since the process started: opened ones, and those that were given up because no key opened them.

    The latter are held for 2 s first, so both are known about 2 s late.
    """

    opened: int
    unopened: int


def hearing_of(ledger: StreamLedger) -> Hearing:
    """Read a ledger, or the sum of several."""
    return Hearing(sum(ledger.fates[fate] for fate in _OPENED), sum(ledger.fates[fate] for fate in _UNOPENED))
