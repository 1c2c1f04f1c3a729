"""Network faults on one direction of one user's datagrams, decided by a seeded generator."""

import random
from collections import Counter
from typing import Annotated, Final

import msgspec

_HELD_BACK_MIN_S: Final = 0.025
_HELD_BACK_MAX_S: Final = 0.055
"""How long a reordered packet is held: past the next one or two of a 20 ms stream."""

Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Impairment(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to packets: each is lost, held back past its successors, or doubled with the given probability.

    `jitter_ms` delays each packet by 0 to that many ms, keeping their order.
    """

    loss: Probability = 0.0
    jitter_ms: Annotated[float, msgspec.Meta(ge=0, le=10_000)] = 0.0
    reorder: Probability = 0.0
    duplicate: Probability = 0.0
    seed: int = 0


_NONE: Final = Impairment()


class Link:
    """One direction between a user and the SFU. What becomes of the nth packet depends on seed, name and n only."""

    def __init__(self, name: str) -> None:
        """Begin without faults; `name` tells links with the same seed apart."""
        self.counters: Counter[str] = Counter()
        """Packets that were lost, delayed, reordered and duplicated here."""
        self.clean = True
        """Nothing to decide: the packet path skips `plan`."""
        self._name = name
        self.impair(_NONE)

    def impair(self, impairment: Impairment) -> None:
        """Apply `impairment` from the next packet on, its generator seeded afresh; packets under way stay so."""
        self._impairment = impairment
        self._random = random.Random(f"{impairment.seed}/{self._name}")  # noqa: S311 - reproducible, not secret
        self._last_release_s = 0.0
        self.clean = not (impairment.loss or impairment.jitter_ms or impairment.reorder or impairment.duplicate)

    def plan(self, now: float) -> tuple[float, ...]:
        """Return the instants at which the packet goes on: none if it is lost, two if it is doubled."""
        draw = self._random.random
        # always the same number of draws a packet, so that one setting does not shift another's sequence
        lost, jitter, reordered, held, doubled = draw(), draw(), draw(), draw(), draw()
        faults = self._impairment
        if lost < faults.loss:
            self.counters["lost"] += 1
            return ()
        release = max(self._last_release_s, now + jitter * faults.jitter_ms / 1000)
        if reordered < faults.reorder:
            self.counters["reordered"] += 1
            release += _HELD_BACK_MIN_S + held * (_HELD_BACK_MAX_S - _HELD_BACK_MIN_S)
        else:
            self._last_release_s = release
        if release > now:
            self.counters["delayed"] += 1
        if doubled < faults.duplicate:
            self.counters["duplicated"] += 1
            return (release, release)
        return (release,)
