"""The figures that people compare: where each is found, what it is measured against, and its bar."""

from collections.abc import Callable
from typing import Final, NamedTuple

from tools.bench.result import Result


class Against(NamedTuple):
    """What a figure is compared with, in the same case."""

    name: str
    row: str
    column: str


class Headline(NamedTuple):
    """One row of the table."""

    what: str
    case: str
    row: str
    column: str
    unit: str
    bar: str = ""
    """What has to be reached; empty where nothing is asked."""
    reached: Callable[[Result], bool] | None = None
    against: tuple[Against, ...] = ()


def held(*words: str) -> Callable[[Result], bool]:
    """All checks whose text has all of these words are held, and there is one."""

    def of(result: Result) -> bool:
        found = [is_held for text, is_held in result.checks.items() if all(word in text for word in words)]
        return bool(found) and all(found)

    return of


_LOADS: Final = {
    "pacing": ("alone", "p99 at most 0.2 ms beyond the loop", "max at most 5 ms beyond the loop"),
    "pacing_speakers": ("25 speakers captured", "p99 at most 1 ms beyond the loop", ""),
    "pacing_loaded": ("25 captured, 720p watched and published", "p99 at most 1 ms beyond the loop", ""),
    "pacing_pictures": ("8 PNG a second of 300 kB on stdin", "p99 at most 5 ms beyond the loop", ""),
    "pacing_music": ("music", "p99 at most 1 ms beyond the loop", ""),
}
_PEERS: Final = ("discord.py", "discord.js Node", "discord.js Bun")


def _pacing() -> list[Headline]:
    rows = []
    for case, (load, p99_bar, max_bar) in _LOADS.items():
        for percentile, bar in (("p99", p99_bar), ("max", max_bar)):
            row = f"gap_error_{percentile}_ms"
            loop = (Against("bare loop", row, "control"),)
            reached = held(row) if bar else None
            rows.append(Headline(f"gap error {percentile}, {load}", case, row, "clankvox", "ms", bar, reached, loop))
    return rows


def _leads(row: str) -> Callable[[Result], bool]:
    """Ours is below the figure of every peer that was there."""

    def of(result: Result) -> bool:
        ours, others = result.at(row, "clankvox"), [result.at(row, name) for name in _PEERS]
        return ours is not None and all(ours < theirs for theirs in others if theirs is not None)

    return of


def _senders() -> list[Headline]:
    rows = []
    for percentile in ("p50", "p99", "max"):
        row, what = f"gap_error_{percentile}_ms", f"gap error {percentile}, peers beside us"
        others = tuple(Against(name, row, name) for name in _PEERS)
        rows.append(Headline(what, "senders", row, "clankvox", "ms", "better than each peer", _leads(row), others))
    cpu = "CPU s a minute of speech"
    others = tuple(Against(name, cpu, name) for name in _PEERS)
    rows.append(Headline("CPU a minute of TTS, peers beside us", "senders", cpu, "clankvox", "s", against=others))
    return rows


def _capture() -> list[Headline]:
    rows = []
    for speakers in (1, 10, 25, 50, 99):
        row, judged = f"{speakers} speakers", speakers == 25
        wait = Headline(f"packet to stdout p99, {row}", "capture", row, "p99 ms", "ms")
        bare = (Against("bare loop", row, "bare CPU s/min"),)
        cost = Headline(f"CPU a speaker-minute, {row}", "capture", row, "CPU s/min", "s", against=bare)
        if judged:
            wait = wait._replace(bar="at most 5", reached=held("p99 <= 5"))
            cost = cost._replace(bar="at most 0.35, and 1.5 times the loop", reached=_cheap)
        rows += [wait, cost]
    first = Headline("RSS, 1 speaker", "capture", "1 speakers", "RSS MiB", "MiB", "at most 100", held("RSS <= 100"))
    return [*rows, first, Headline("RSS, 99 speakers", "capture", "99 speakers", "RSS MiB", "MiB")]


def _cheap(result: Result) -> bool:
    return held("0.35")(result) and held("1.5")(result)


def _receivers() -> list[Headline]:
    peers = ("discord.js, packets", "discord.js, decoded")
    return [
        Headline(
            f"{what}, 10 speakers, peers beside us",
            "receivers",
            "clankvox",
            column,
            unit,
            against=tuple(Against(name, name, column) for name in peers),
        )
        for what, column, unit in (("packet to parent p99", "p99 ms", "ms"), ("CPU a speaker-minute", "CPU s/min", "s"))
    ]


def _starts() -> list[Headline]:
    bar = ("at most 80", held("process_ready"))
    rows = [Headline("spawn to process_ready", "start", "spawn to process_ready", "median", "ms", *bar)]
    for members in (2, 20):
        for how in ("at once", "later"):
            for what in ("ready", "DAVE ready"):
                row = f"join to {what}, {members} members, {how}"
                rows.append(Headline(row, "start", row, "median", "ms"))
    return rows


def _doings() -> list[Headline]:
    names = ("a silent call", "TTS", "stereo music", "publishing 720p30", "watching 1080p30 at 2 fps")
    return [Headline(f"CPU a minute, {name}", "consumption", name, "CPU s/min", "s") for name in names]


def _golive() -> list[Headline]:
    soon = ("at most 1000", held("within 1 s of subscribing"))
    mended = ("at most 600", held("recovery within 600 ms"))
    rows = [
        Headline("first picture after subscribing", "pictures", "first picture, PLI honoured", "median", "ms", *soon),
        Headline("recovery by a key frame", "pictures", "recovery by a key frame", "median", "ms", *mended),
        Headline("page to a viewer's eyes", "pictures", "page, from drawing to a viewer's eyes", "median", "ms"),
    ]
    for way in ("watched", "published"):
        bar = ("at least 0.99", held(f"{way}: at least 99 %"))
        what = f"pictures decoded at 3 % loss, {way}"
        rows.append(Headline(what, "golive", f"{way}_decoded_share", "clankvox", "", *bar))
    for actor in ("playback", "publish"):
        bar = ("at most 20 beyond the loop", held(f"{actor} actor"))
        late = (Against("bare loop", "gap_error_max_ms", "control"),)
        what, row = f"longest answer of the {actor} actor", f"answer_of_{actor}_max_ms"
        rows.append(Headline(what, "golive", row, "clankvox", "ms", *bar, late))
    return rows


HEADLINES: Final = (
    *_pacing(),
    *_golive(),
    *_senders(),
    Headline(
        "whole sentence on stdin to first packet",
        "response",
        "first packet, a whole sentence",
        "median",
        "ms",
        "at most 5",
        held("whole sentence"),
    ),
    Headline(
        "stop to last audible packet",
        "response",
        "last audible packet after a stop",
        "median",
        "ms",
        "at most 40",
        held("40 ms of a stop"),
    ),
    *_capture(),
    *_receivers(),
    Headline(
        "speakers on one core without loss",
        "capacity",
        "captured whole",
        "packets",
        "",
        "99",
        held("99 speakers"),
    ),
    *_doings(),
    *_starts(),
)
