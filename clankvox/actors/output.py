"""What an actor that sends audio is given: values, no behaviour."""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from clankvox.media.frame_cipher import FrameCipher
from clankvox.media.frame_ledger import FrameLedger
from clankvox.ports import PacerPort


class Output(NamedTuple):
    """One role's way out."""

    cipher: FrameCipher
    pacer: PacerPort
    transmit: Callable[[bytes], None]
    ledger: FrameLedger
    rng: Random
