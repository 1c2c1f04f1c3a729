"""What a run has to hold, as data: a figure, its limit, and whether a clock has a part in it."""

from collections.abc import Collection
from typing import Final, NamedTuple

from tools.soak.ledgers import NEVER, NO_KEY
from tools.soak.outcome import Outcome
from tools.soak.people import MOST_GUESTS
from tools.soak.schedule import ENDS_SESSIONS, HURTS_NOBODY, LOCKS_US_OUT, Cause

RECOVERED_WITHIN_S: Final = {Cause.CLOSE_1006: 1.5, Cause.CLOSE_4015: 1.5}
"""Medians, from the loss to five more frames of everybody in both directions."""
RSS_MIB_AN_HOUR: Final = 1.0
GROWTH: Final = 1.0
"""Of threads and of file descriptors, in medians."""
LONG_RUN_S: Final = 600.0
"""In shorter runs memory is told and not judged: the allocator has not settled."""
SHORT_GROWTH: Final = 5.0
"""Of threads and of file descriptors in shorter runs: medians of a few seconds, some amid a fault."""
MAY_REFUSE: Final = frozenset({Cause.NETWORK})
"""While this lasts a member refuses frames of ours that it gets twice."""
FRAME_MS: Final = 20.0
"""Of speech may go with each session: a frame that is handed to a socket as it closes."""
ON_THE_WAY_FRAMES: Final = 2.0
"""Of ours may be between the media server and a member with a process of its own at the last booking."""
EDGE_FRAMES: Final = 2.0
"""For each booking and member: what was on its way at that instant is booked with what follows."""


class Bar(NamedTuple):
    """Held if the figure is at most the limit."""

    name: str
    figure: float
    limit: float
    timed: bool = False
    """Depends on how fast the machine is."""

    @property
    def held(self) -> bool:
        """Whether it is."""
        return self.figure <= self.limit


def judge(outcome: Outcome) -> list[Bar]:
    """Return all bars of a run."""
    return [*_faultless(outcome), *_complete(outcome), *_clean(outcome), *_timed(outcome)]


def _faultless(outcome: Outcome) -> list[Bar]:
    """No frame lost by our own fault, by the ledgers: exact."""
    never = sum(ledger[fate] for ledger in outcome.ledgers.values() for fate in NEVER)
    keyless, passed_by = 0, 0
    for user, ledger in outcome.ledgers.items():
        allowed = spoken_while(outcome, user, LOCKS_US_OUT)
        came = ledger["expected"] - ledger["empty"]
        keyless += max(0, sum(ledger[fate] for fate in NO_KEY) - allowed)
        passed_by += max(0, spoken(outcome, user) - came - allowed)
    refused = sum(sum(entry.refused.values()) for cause, entry in outcome.entries.items() if cause not in MAY_REFUSE)
    return [
        Bar("frames with a fate that is always our fault", never, 0),
        Bar("frames without a key though we were in the group", keyless, 0),
        Bar("frames that passed us by though we were connected", passed_by, 0),
        Bar("frames of ours that a member of the group could not open", refused, 0),
        Bar("ledgers that do not sum up", outcome.imbalances, 0),
        Bar("frames of ours in clear", outcome.plaintext_frames, 0),
        Bar("pictures of ours in clear", outcome.plaintext_pictures, 0),
    ]


def _complete(outcome: Outcome) -> list[Bar]:
    """Every frame is accounted for, and none is missing while nothing hurts."""
    users = outcome.ledgers.keys()
    ungiven = max((abs(outcome.ledgers[user]["decoded"] - outcome.captured[user]) for user in users), default=0)
    vanished = max((_vanished(outcome, user) for user in users), default=0)
    unheard = max((abs(_missing(outcome, user)) for user in users), default=0)
    lost = sum(entry.times for cause, entry in outcome.entries.items() if cause in ENDS_SESSIONS)
    edges = EDGE_FRAMES * sum(entry.times for cause, entry in outcome.entries.items() if cause in HURTS_NOBODY)
    return [
        Bar("frames of a member that were decoded and not given to the parent", ungiven, 0),
        Bar("frames of ours that a member neither opened nor refused", vanished, ON_THE_WAY_FRAMES),
        Bar("frames of a member that are missing while nothing hurts", unheard, edges),
        Bar("ms of speech that were not said", abs(outcome.wanted_speech_ms - outcome.said_speech_ms), FRAME_MS * lost),
        Bar("faults after which the call was not whole", sum(not each.recovered_s for each in outcome.happened), 0),
        Bar("faults that never came", 0 if outcome.happened else 1, 0),
    ]


def _vanished(outcome: Outcome, user: str) -> int:
    """Return what the media server took and this member never got; its members are on no network."""
    entries = outcome.entries.values()
    return sum(each.said - each.heard[user] - each.refused[user] - each.excused[user] for each in entries)


def _missing(outcome: Outcome, user: str) -> int:
    harmless = [entry for cause, entry in outcome.entries.items() if cause in HURTS_NOBODY]
    return sum(entry.spoken[user] - entry.captured[user] for entry in harmless)


def _clean(outcome: Outcome) -> list[Bar]:
    return [
        Bar("events that say that something ended or failed", len(outcome.wrong), 0),
        Bar("errors in the log", len(outcome.log_errors), 0),
        Bar("actors that failed", outcome.restarts, 0),
        Bar("child processes left", outcome.children_left, 0),
        Bar("exit code", outcome.exit_code, 0),
    ]


def _timed(outcome: Outcome) -> list[Bar]:
    bars = []
    for cause, limit_s in RECOVERED_WITHIN_S.items():
        entry = outcome.entries.get(cause)
        if entry is not None and entry.recovered_s:
            bars.append(
                Bar(f"s from {cause} until all is well, median", median(entry.recovered_s), limit_s, timed=True)
            )
    if outcome.growth is not None and outcome.lasted_s >= LONG_RUN_S:
        bars += [
            Bar("MiB of memory more an hour, at least", outcome.growth.rss_at_least, RSS_MIB_AN_HOUR, timed=True),
            Bar("more threads", outcome.growth.threads, GROWTH, timed=True),
            Bar("more file descriptors", outcome.growth.fds, GROWTH, timed=True),
            Bar("more actors", outcome.more_actors, MOST_GUESTS, timed=True),
        ]
    elif outcome.growth is not None:
        bars += [
            Bar("more threads", outcome.growth.threads, SHORT_GROWTH),
            Bar("more file descriptors", outcome.growth.fds, SHORT_GROWTH),
        ]
    return bars


def spoken(outcome: Outcome, user: str) -> int:
    """Return how many frames a member has sent while the run was on."""
    return sum(entry.spoken[user] for entry in outcome.entries.values())


def spoken_while(outcome: Outcome, user: str, causes: Collection[Cause]) -> int:
    """Return how many of them while one of `causes` lasted."""
    return sum(entry.spoken[user] for cause, entry in outcome.entries.items() if cause in causes)


def median(figures: list[float]) -> float:
    """Return the middle one."""
    ordered = sorted(figures)
    return ordered[len(ordered) // 2]
