"""Everything that a run found, as plain data."""

from collections import Counter
from typing import Any, NamedTuple

from tools.soak.accounts import Entry
from tools.soak.schedule import Cause
from tools.soak.vitals import Growth


class Happened(NamedTuple):
    """One fault, as it went."""

    number: int
    cause: Cause
    at_s: float
    """Since the call was whole for the first time."""
    recovered_s: float | None
    """From its beginning until all was well; None if it never was."""
    problem: str | None = None


class Outcome(NamedTuple):
    """Of one run."""

    seed: int
    lasted_s: float
    happened: list[Happened]
    entries: dict[Cause, Entry]
    ledgers: dict[str, Counter[str]]
    """Every member's stream at us: `stream_stats` summed over all connections."""
    captured: Counter[str]
    """Frames of each member that were given to the parent as PCM of their own."""
    strangers: Counter[str]
    """The same for the sound of the watched stream and of guests."""
    imbalances: int
    """Ledgers that did not sum up, in or out."""
    plaintext_frames: int
    plaintext_pictures: int
    outbound: dict[str, Any]
    """Of the last `transport_stats`."""
    inbound_video: dict[str, Any]
    wanted_speech_ms: int
    said_speech_ms: int
    told: dict[str, int]
    wrong: list[dict[str, Any]]
    """Events that no call has that goes on."""
    pictures_seen: int
    growth: Growth | None
    peak_rss_mib: float
    actors: int | None
    """None if the process does not tell."""
    more_actors: float
    restarts: int
    """Of actors that failed."""
    children_left: int
    exit_code: int
    log_errors: list[str]
