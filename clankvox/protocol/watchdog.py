"""What to do when members speak and nothing is heard: evidence in, one step of a ladder out. Pure rules, no clock.

`observe` is called every LOOK_S. What happened since something was heard last, or since the last step, is proof:

- frames came that no key opened, and none that one did: the encryption is out of step;
- several keepalives in a row stayed unanswered, and nothing was heard: datagrams go nowhere, as behind a NAT that has
  forgotten us. It counts only for servers that answer keepalives at all. In silence it is worth a new socket, so that
  the next word finds its way, and no more.

Op 5 alone proves nothing. Each proof takes the next step, gentlest first; whatever is heard takes the ladder back to
its foot. At its top nothing more is done, because the fault is then not ours to mend.
"""

from collections import deque
from enum import StrEnum
from typing import Final, NamedTuple

from clankvox.protocol.backoff import AttemptBudget

LOOK_S: Final = 1.0
UNOPENED_PROOF: Final = 36
"""Frames: 0.7 s of speech, and the run after which DAVE clients ask for help."""
UNANSWERED_PROOF: Final = 3
"""Keepalives in a row, each of which had LOOK_S for its answer."""
_WINDOW_S: Final = 5.0
"""Frames that are older prove nothing: a few that no key opens come with every change of a group."""
_DEAF_S: Final = 2.9
"""After the last word; with the looks, and the 2 s that frames are held for their key, the first step is within 5 s."""
_STEP_S: Final = 4.5
"""What a step may take to help."""
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
        self._opened: int | None = None
        self._hears = False
        self.fell_silent = False
        """Somebody was heard until the last look but one: a pause, or a NAT that forgot us; an answer tells which."""
        self._unopened = 0
        self._looks: deque[tuple[float, int]] = deque()
        """When it was looked, and how many frames had not been opened by then."""
        self._patient_until = 0.0
        self._cause: Cause | None = None
        """What the last step was taken for."""
        self._rejoins = AttemptBudget(_REJOIN_LIMIT, _REJOIN_WINDOW_S)

    def observe(
        self, now: float, *, opened: int, unopened: int, unanswered: int, somebody_speaks: bool, helped: bool = False
    ) -> Verdict | None:
        """Return what to do at `now` (s).

        `opened` and `unopened` count frames since the process started, `unanswered` the keepalives in a row. `helped`:
        something is being done already, so there is no verdict.
        """
        hears = opened > (self._opened or 0)
        self._hears, self.fell_silent = hears, self._hears and not hears
        if self._opened is None or hears:
            self._opened = opened
            self._next, self._cause = 0, None
            self._wait(now, _DEAF_S)
        elif unanswered == 0 and self._cause is Cause.UNANSWERED:
            self._next, self._cause = 0, None
        self._unopened = unopened
        self._looks.append((now, unopened))
        while now - self._looks[0][0] > _WINDOW_S:
            self._looks.popleft()
        if helped or now < self._patient_until:
            return None
        if unopened - self._looks[0][1] >= UNOPENED_PROOF:
            return self._climb(now, Cause.UNDECRYPTABLE)
        if unanswered >= UNANSWERED_PROOF and (somebody_speaks or self._next == 0):
            return self._climb(now, Cause.UNANSWERED)
        return None

    def _wait(self, now: float, patience_s: float) -> None:
        """Let what came until now prove nothing, and no proof be enough for so long."""
        self._looks.clear()
        self._patient_until = now + patience_s

    def _climb(self, now: float, cause: Cause) -> Verdict | None:
        while self._next < len(self._ladder):
            step = self._ladder[self._next]
            self._next += 1
            if step is Step.DAVE and cause is Cause.UNANSWERED:
                continue
            if step is Step.REJOIN and not self._rejoins.spend(now):
                return None
            self._cause = cause
            self._wait(now, _STEP_S)
            self._looks.append((now, self._unopened))
            return Verdict(step, cause)
        return None
