"""What to do when members speak and nothing is heard: evidence in, one step of a ladder out. Pure rules, no clock.

`observe` is called at each UDP keepalive (5 s). What happened since the call before it is proof:

- frames came that no key opened, and none that one did: the encryption is out of step;
- two keepalives stayed unanswered while members (op 5) or we speak, and nothing was heard: datagrams go nowhere, as
  behind a NAT that has forgotten us. It counts only for servers that answer keepalives at all.

Op 5 alone proves nothing. Each proof takes the next step, gentlest first; whatever is heard takes the ladder back to
its foot. At its top nothing more is done, because the fault is then not ours to mend.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from clankvox.protocol.backoff import AttemptBudget

UNOPENED_PROOF: Final = 36
"""Frames in one period: 0.7 s of speech, and the run after which DAVE clients ask for help."""
UNANSWERED_PROOF: Final = 2
"""Keepalives in a row, so 5 to 10 s."""
_REJOIN_LIMIT: Final = 1
_REJOIN_WINDOW_S: Final = 300.0
"""A rejoin is heard by everybody in the call; a sender whose frames nobody can open must not cause several."""


class Step(StrEnum):
    """What may help, gentlest first."""

    UDP = "udp"
    """Ping at once, and find our address anew on a new socket."""
    DAVE = "dave"
    """Ask to be added to the group anew (op 31), as far as the DAVE conversation's own limits allow."""
    RESUME = "resume"
    """A new WebSocket for the same session (op 7)."""
    REJOIN = "rejoin"
    """A new session (op 4)."""


class Cause(StrEnum):
    """What proves that something is wrong."""

    UNDECRYPTABLE = "frames_undecryptable"
    UNANSWERED = "keepalives_unanswered"


class Verdict(NamedTuple):
    """The step to take, and why."""

    step: Step
    cause: Cause


class Watchdog:
    """Watches one role over all its sessions. Not thread-safe."""

    def __init__(self, ladder: tuple[Step, ...]) -> None:
        """`ladder` holds the steps that this role can take, in the order of Step."""
        self._ladder = ladder
        self._next = 0
        self._before: tuple[int, int] | None = None
        self._rejoins = AttemptBudget(_REJOIN_LIMIT, _REJOIN_WINDOW_S)

    def observe(
        self, now: float, *, opened: int, unopened: int, unanswered: int, somebody_speaks: bool, helped: bool = False
    ) -> Verdict | None:
        """Return what to do about the time since the last call.

        `opened` and `unopened` count frames since the process started, `unanswered` the keepalives in a row. `helped`:
        something is being done already, so there is no verdict.
        """
        before, self._before = self._before, (opened, unopened)
        if before is None:
            return None
        if opened > before[0]:
            self._next = 0
            return None
        if helped:
            return None
        if unopened - before[1] >= UNOPENED_PROOF:
            return self._climb(now, Cause.UNDECRYPTABLE)
        if unanswered >= UNANSWERED_PROOF and somebody_speaks:
            return self._climb(now, Cause.UNANSWERED)
        return None

    def _climb(self, now: float, cause: Cause) -> Verdict | None:
        while self._next < len(self._ladder):
            step = self._ladder[self._next]
            self._next += 1
            if step is Step.DAVE and cause is Cause.UNANSWERED:
                continue
            if step is Step.REJOIN and not self._rejoins.spend(now):
                return None
            return Verdict(step, cause)
        return None
