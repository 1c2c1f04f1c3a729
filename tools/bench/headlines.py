"""The figures that people compare: where each is found, what it is measured against, and its bar.

`FIRST` are those of README, `SECTIONS` all of them.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from tools.bench.receivers import PEERS_BESIDE
from tools.bench.result import Result
from tools.bench.senders import CPU_ROW, RSS_ROW


class Against(NamedTuple):
    """What a figure is compared with, in the same case."""

    name: str
    row: str
    column: str


class Headline(NamedTuple):
    """One row of a table."""

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


SENDERS: Final = ("discord.py", "discord.js Node", "discord.js Bun")
PERCENTILES: Final = {"p50": "p50", "p99": "p99", "p99.9": "p999", "max": "max"}
_LOADS: Final = {
    "pacing": ("alone", {"p99": "0.2 ms", "max": "5 ms"}),
    "pacing_speakers": ("25 speakers captured", {"p99": "1 ms"}),
    "pacing_loaded": ("25 captured, 720p watched and published", {"p99": "1 ms"}),
    "pacing_pictures": ("8 PNG a second of 300 kB on stdin", {"p99": "5 ms"}),
    "pacing_music": ("music", {"p99": "1 ms"}),
    "golive": ("720p watched and published with 3 % loss", {"p99": "1 ms"}),
}


def gap_error(case: str, name: str) -> Headline:
    """Return by how much gaps between packets differ from 20 ms, beside the bare loop."""
    load, bars = _LOADS[case]
    row, more = f"gap_error_{PERCENTILES[name]}_ms", bars.get(name)
    return Headline(
        f"gap error {name}, {load}",
        case,
        row,
        "clankvox",
        "ms",
        f"at most {more} beyond the loop" if more else "",
        held(f"{row} at most") if more else None,
        (Against("bare loop", row, "control"),),
    )


def beside_senders(name: str) -> Headline:
    """Return the same where other libraries speak at the same moment."""
    row = f"gap_error_{PERCENTILES[name]}_ms"
    bar = ("better than each library", held(f"{row} better than")) if name != "p99.9" else ("", None)
    others = (*(Against(peer, row, peer) for peer in SENDERS), Against("bare loop", row, "control"))
    return Headline(f"gap error {name}, libraries beside us", "senders", row, "clankvox", "ms", *bar, others)


def wait(speakers: int, name: str) -> Headline:
    """Return how long captured sound takes through the process."""
    bar = ("at most 5 ms", held("p99 <= 5")) if (speakers, name) == (25, "p99") else ("", None)
    what = f"packet in to PCM on stdout {name}, {many(speakers)}"
    return Headline(what, "capture", f"{speakers} speakers", f"{name} ms", "ms", *bar)


def cost(speakers: int) -> Headline:
    """Return what capture costs."""
    row = f"{speakers} speakers"
    bar = ("at most 0.35 s, and 1.5 times the loop", _cheap) if speakers == 25 else ("", None)
    beside = (Against("bare recv, AEAD, Opus, write", row, "bare CPU s/min"),)
    what = f"CPU a speaker-minute captured, {many(speakers)}"
    return Headline(what, "capture", row, "CPU s/min", "s", *bar, beside)


def many(speakers: int) -> str:
    """Return how many they are."""
    return f"{speakers} speaker{'s' if speakers > 1 else ''}"


def beside_receivers(what: str, column: str, unit: str) -> Headline:
    """Return a figure of capture where other libraries hear the same members at the same moment."""
    others = tuple(Against(peer, peer, column) for peer in PEERS_BESIDE)
    bar = ("less than those that decode", held("less CPU than")) if column == "CPU s/min" else ("", None)
    return Headline(
        f"{what}, 10 speakers, libraries beside us", "receivers", "clankvox", column, unit, *bar, against=others
    )


def quality(column: str, way: str, loss: int) -> Headline:
    """Return how speech sounds after loss, beside what plain libopus makes of the same packets."""
    row, beside = f"{way}, {loss}% loss", {"PESQ": "libopus", "SNR dB": "libopus SNR dB"}[column]
    unit, name = {"PESQ": ("MOS", "PESQ"), "SNR dB": ("dB", "SNR")}[column]
    bar = ("no worse than plain libopus", held(f"{way}, {loss}% loss: no worse")) if column == "PESQ" else ("", None)
    whose = {"heard": "captured speech", "said": "our speech at a listener"}[way]
    what = f"{name} of {whose}, {loss} % loss"
    return Headline(what, "bad_network", row, column, unit, *bar, (Against("plain libopus", row, beside),))


def _cheap(result: Result) -> bool:
    return held("0.35")(result) and held("1.5")(result)


WHOLE: Final = Headline(
    "whole sentence on stdin to first packet",
    "response",
    "first packet, a whole sentence",
    "median",
    "ms",
    "at most 5 ms",
    held("whole sentence"),
)
STOP: Final = Headline(
    "stop to last audible packet",
    "response",
    "last audible packet after a stop",
    "median",
    "ms",
    "at most 40 ms",
    held("40 ms of a stop"),
)
CAPACITY: Final = Headline(
    "speakers on one core without loss",
    "capacity",
    "captured whole",
    "packets",
    "",
    "99, all that a channel holds",
    held("99 speakers"),
)
PROCESS_READY: Final = Headline(
    "spawn to process_ready",
    "start",
    "spawn to process_ready",
    "median",
    "ms",
    "at most 80 ms",
    held("process_ready"),
    tuple(Against(peer, "spawn to process_ready", peer) for peer in SENDERS),
)
RSS: Final = Headline(
    "RSS, 1 speaker captured", "capture", "1 speakers", "RSS MiB", "MiB", "at most 100 MiB", held("RSS <= 100")
)


def _speech() -> list[Headline]:
    others = {row: tuple(Against(peer, row, peer) for peer in SENDERS) for row in (CPU_ROW, RSS_ROW)}
    return [
        *(gap_error(case, name) for case in _LOADS for name in PERCENTILES),
        *(beside_senders(name) for name in PERCENTILES),
        Headline(
            "CPU a minute of TTS, libraries beside us", "senders", CPU_ROW, "clankvox", "s", against=others[CPU_ROW]
        ),
        Headline("RSS, libraries beside us", "senders", RSS_ROW, "clankvox", "MiB", against=others[RSS_ROW]),
        WHOLE,
        *(
            Headline(f"first chunk of {ms} ms to first packet", "response", row, "median", "ms", "at most 60 ms", chunk)
            for ms in (20, 40, 100, 250)
            for row, chunk in [(f"first packet, chunks of {ms} ms", held(f"chunks of {ms} ms"))]
        ),
        STOP,
    ]


def _capture() -> list[Headline]:
    sizes = (1, 10, 25, 50, 99)
    return [
        *(wait(speakers, name) for speakers in sizes for name in PERCENTILES),
        *(cost(speakers) for speakers in sizes),
        RSS,
        Headline("RSS, 99 speakers captured", "capture", "99 speakers", "RSS MiB", "MiB"),
        *(beside_receivers(f"packet in to parent {name}", f"{name} ms", "ms") for name in PERCENTILES),
        beside_receivers("CPU a speaker-minute", "CPU s/min", "s"),
        beside_receivers("RSS", "RSS MiB", "MiB"),
        CAPACITY,
        Headline("busy share of that core, 99 speakers", "capacity", "99 speakers", "core busy %", "%"),
        Headline(
            "receive path without sockets, 25 speakers", "receive_path", "encrypted end to end", "us a packet", "us",
            "at most 2 times its parts", held("AEAD, DAVE"),
            (Against("AEAD, DAVE, Opus, write", "encrypted end to end", "bare us a packet"),),
        ),
    ]  # fmt: skip


def _golive() -> list[Headline]:
    soon = ("at most 1000 ms", held("within 1 s of subscribing"))
    mended = ("at most 600 ms", held("recovery within 600 ms"))
    rows = [
        Headline("joining a stream to its first picture", "pictures", "stream joined, first picture", "median", "ms"),
        Headline("first picture after subscribing", "pictures", "first picture, PLI honoured", "median", "ms", *soon),
        Headline("recovery by a key frame", "pictures", "recovery by a key frame", "median", "ms", *mended),
        Headline("page to a viewer's eyes", "pictures", "page, from drawing to a viewer's eyes", "median", "ms"),
        Headline("age of a watched picture", "golive", "watched_picture_age_p50_ms", "clankvox", "ms"),
    ]
    for way in ("watched", "published"):
        bar = ("at least 99 %", held(f"{way}: at least 99 %"))
        what = f"pictures decoded at 3 % loss, {way}"
        rows.append(Headline(what, "golive", f"{way}_decoded_share", "clankvox", "of 1", *bar))
    for actor in ("playback", "publish"):
        bar = ("at most 20 ms beyond the loop", held(f"{actor} actor"))
        late = (Against("bare loop, late", "gap_error_max_ms", "control"),)
        what, row = f"longest answer of the {actor} actor", f"answer_of_{actor}_max_ms"
        rows.append(Headline(what, "golive", row, "clankvox", "ms", *bar, late))
    return rows


def _doings() -> list[Headline]:
    names = ("a silent call", "TTS", "stereo music", "publishing 720p30", "watching 1080p30 at 2 fps")
    idle = ("at most 0.5 s", held("silent call"))
    return [
        Headline(f"CPU a minute, {name}", "consumption", name, "CPU s/min", "s", *(idle if name == names[0] else ()))
        for name in names
    ]


def _starts() -> list[Headline]:
    rows = [PROCESS_READY]
    for members in (2, 20):
        row = f"spawn to ready, {members} members"
        others = tuple(Against(peer, row, peer) for peer in SENDERS)
        rows.append(Headline(row, "start", row, "median", "ms", against=others))
        for how, said in (("at once", "at once"), ("later", "once it has settled")):
            for what in ("ready", "DAVE ready"):
                row = f"join to {what}, {members} members, {how}"
                said_as = f"join to {what}, {members} members, {said}"
                others = tuple(Against(peer, row, peer) for peer in SENDERS)
                rows.append(Headline(said_as, "start", row, "median", "ms", against=others))
    return rows


_LOSSES: Final = (0, 5, 10, 20)
SECTIONS: Final[dict[str, tuple[Headline, ...]]] = {
    "What is said": (*_speech(),),
    "What is heard": (*_capture(),),
    "How it sounds": tuple(
        quality(column, way, loss) for way in ("heard", "said") for column in ("PESQ", "SNR dB") for loss in _LOSSES
    ),
    "What is seen": (*_golive(),),
    "What it costs": (*_doings(),),
    "How it starts": (*_starts(),),
}
FIRST: Final = (
    beside_senders("p99"),
    beside_senders("max"),
    gap_error("pacing", "p99"),
    gap_error("pacing_loaded", "p99"),
    WHOLE,
    STOP,
    wait(25, "p99"),
    cost(25),
    beside_receivers("CPU a speaker-minute", "CPU s/min", "s"),
    CAPACITY,
    quality("PESQ", "heard", 10),
    PROCESS_READY,
)
EVERY: Final = tuple(headline for headlines in SECTIONS.values() for headline in headlines)
