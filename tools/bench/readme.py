"""The tables in README and docs/benchmarks.md, out of what is kept."""

import re
import shutil
from pathlib import Path
from typing import Final

from tools.bench import machine
from tools.bench.headlines import EVERY, FIRST, SECTIONS, Against, Headline
from tools.bench.kept import Kept
from tools.bench.result import Result

BEGIN: Final = "<!-- bench: written by `make bench-readme` -->"
END: Final = "<!-- end of bench -->"
BUSY_PERCENT: Final = 10
"""Of all cores: from there on other work shows in what is measured."""
PAGE: Final = "benchmarks.md"
_PICTURES: Final = {
    "senders.png": "how far gaps are from 20 ms, the libraries beside us",
    "pacing.png": "the same, alone",
    "pacing_loaded.png": "the same, 25 speakers captured, 720p watched and published",
    "capture_latency.png": "from a packet to its PCM on stdout, over the number of speakers",
    "capture_cpu.png": "CPU over the number of speakers",
}
_HEAD: Final = "| | clankvox | beside it, and our ratio to it | bar | reached | runs |\n|---|---|---|---|---|---|\n"
_HOW: Final = """# Benchmarks

Written by `make bench-readme`; `make bench-readme FROM=bench/results` writes it anew without measuring. Every case runs
the real process against the offline Discord in a process of its own. Wire times are the kernel's (SO_TIMESTAMPNS),
CPU and memory the system's accounting of the process with its threads and children. What stands beside a figure ran at
the same moment: a bare sleep-and-send loop; a bare loop of recv, AEAD, Opus and write that hears as many speakers;
discord.py and @discordjs/voice on Node and Bun, in rooms of their own; plain libopus with the same packets and losses.
A bar "beyond the loop" is held by the difference of both, a bar on libraries by each of them, in most of the runs.

discord.py does not receive, @discordjs/voice hands over Opus and leaves decoding to its user ("decoded" uses
opusscript, its usual choice), and neither publishes nor watches video: where no library is named there is none.
"""


def about(found: dict[str, Kept]) -> str:
    """Return what it was measured on, and when other work was under way."""
    machines = sorted({machine.sentence(kept.machine) for kept in found.values() if kept.machine})
    used = max((float(kept.machine.get("busy", 0)) for kept in found.values()), default=0)
    busy = ""
    if used > BUSY_PERCENT:
        busy = f" **The machine was busy**: others used up to {used:g} % of its cores when a case began."
    runs = sorted({kept.runs for kept in found.values()})
    counted = "one run" if runs == [1] else f"medians of {' or '.join(map(str, runs))} runs"
    return f"Measured on {'; '.join(machines)}; {counted} of so many seconds as the last column says.{busy}\n"


def missed(found: dict[str, Kept]) -> str:
    """Return in plain words which bars are not reached."""
    judged = [each for each in EVERY if each.reached is not None and _ours(each, found) is not None]
    failed = [each for each in judged if each.reached is not None and not each.reached(found[each.case].result)]
    if not judged:
        return ""
    if not failed:
        return f"All {len(judged)} bars are reached.\n"
    names = "; ".join(f"{each.what} ({each.bar})" for each in failed)
    return f"Not reached, {len(failed)} of {len(judged)} bars: {names}.\n"


def table(headlines: tuple[Headline, ...], found: dict[str, Kept]) -> str:
    """Return the rows that were measured; "" if none was."""
    lines = [line for headline in headlines for line in _line(headline, found)]
    return f"{_HEAD}{''.join(lines)}" if lines else ""


def section(found: dict[str, Kept]) -> str:
    """Return what README shows."""
    return f"{about(found)}\n{table(FIRST, found)}\n{missed(found)}"


def page(found: dict[str, Kept]) -> str:
    """Return the whole page: all rows, and every figure of every case."""
    parts = [_HOW, about(found), missed(found)]
    for title, headlines in SECTIONS.items():
        if rows := table(headlines, found):
            parts.append(f"## {title}\n\n{rows}")
    parts.append("## Every figure\n")
    parts += [_whole(name, kept) for name, kept in found.items()]
    return "\n".join(parts)


def write(readme: Path, docs: Path, found: dict[str, Kept], pictures: Path) -> None:
    """Put the table between the markers of `readme`, and the page into `docs`; ValueError if there are no markers."""
    text = readme.read_text()
    between = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    if not between.search(text):
        raise ValueError(f"{readme} has no {BEGIN} and {END}")
    made = f"{BEGIN}\n{section(found)}{END}"
    readme.write_text(between.sub(lambda _: made, text))
    shown = [_show(pictures / name, docs / "benchmarks") for name in _PICTURES if (pictures / name).exists()]
    (docs / PAGE).write_text("\n".join([page(found), *(["## Pictures\n", *shown] if shown else [])]))


def _show(picture: Path, folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    shutil.copy(picture, folder / picture.name)
    return f"![{_PICTURES[picture.name]}]({folder.name}/{picture.name})\n"


def _ours(headline: Headline, found: dict[str, Kept]) -> float | None:
    kept = found.get(headline.case)
    return None if kept is None else kept.result.at(headline.row, headline.column)


def _line(headline: Headline, found: dict[str, Kept]) -> list[str]:
    ours = _ours(headline, found)
    if ours is None:
        return []
    kept = found[headline.case]
    beside = "; ".join(text for each in headline.against for text in _beside(each, ours, kept.result))
    reached = "" if headline.reached is None else "yes" if headline.reached(kept.result) else "**no**"
    figure = f"{_figure(ours)} {headline.unit}".strip()
    return [f"| {headline.what} | {figure} | {beside} | {headline.bar} | {reached} | {kept.about} |\n"]


def _beside(against: Against, ours: float, result: Result) -> list[str]:
    theirs = result.at(against.row, against.column)
    if theirs is None:
        return []
    ratio = f" ({ours / theirs:.2f})" if theirs else ""
    return [f"{against.name} {_figure(theirs)}{ratio}"]


def _whole(name: str, kept: Kept) -> str:
    result = kept.result
    lines = [f"### {name}\n", f"{result.title}; {kept.about}.\n"]
    lines += [f"| | {' | '.join(result.columns)} |", f"|---{'|---' * len(result.columns)}|"]
    for row, figures in result.rows.items():
        lines.append(f"| {row} | {' | '.join('' if one is None else _figure(one) for one in figures)} |")
    lines += [
        "",
        *(f"- {'reached' if is_held else '**not reached**'}: {bar}" for bar, is_held in result.checks.items()),
    ]
    return "\n".join(lines) + "\n"


def _figure(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
