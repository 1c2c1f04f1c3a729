"""The table in README: python -m tools.bench.readme writes it anew out of bench/results."""

import json
import re
from pathlib import Path
from typing import Final, NamedTuple

from tools.bench import machine
from tools.bench.headlines import HEADLINES, Against, Headline
from tools.bench.result import Result, of_json

BEGIN: Final = "<!-- bench: written by `make bench-readme` -->"
END: Final = "<!-- end of bench -->"
BUSY: Final = 0.5
"""A load average from which on other work shows in what is measured."""
_HEAD: Final = "| | clankvox | beside it, and our ratio to it | bar | reached |\n|---|---|---|---|---|\n"


class Kept(NamedTuple):
    """One case of bench/results."""

    result: Result
    machine: dict[str, str]
    seconds: float
    runs: int


def load(folder: Path) -> dict[str, Kept]:
    """Read what `make bench` kept, by case."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        kept = json.loads(path.read_text())
        found[path.stem] = Kept(of_json(kept), kept.get("machine", {}), kept.get("seconds", 0), kept.get("runs", 1))
    return found


def section(found: dict[str, Kept]) -> str:
    """Return the table and what it was measured on."""
    lines = [line for headline in HEADLINES for line in _line(headline, found)]
    machines = sorted({machine.sentence(kept.machine) for kept in found.values() if kept.machine})
    runs = sorted({kept.runs for kept in found.values()})
    loads = [float(kept.machine.get("load", 0)) for kept in found.values()]
    busy = f" The load average was up to {max(loads):g} before it began." if max(loads, default=0) > BUSY else ""
    counted = "one run" if runs == [1] else f"medians of {' or '.join(map(str, runs))} runs"
    about = f"Measured on {'; '.join(machines)}; {counted}.{busy}"
    return f"{about}\n\n{_HEAD}{''.join(lines)}"


def write(page: Path, found: dict[str, Kept]) -> None:
    """Put the table between the markers of `page`; ValueError if it has none."""
    text = page.read_text()
    between = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    if not between.search(text):
        raise ValueError(f"{page} has no {BEGIN} and {END}")
    made = f"{BEGIN}\n{section(found)}{END}"
    page.write_text(between.sub(lambda _: made, text))


def _line(headline: Headline, found: dict[str, Kept]) -> list[str]:
    kept = found.get(headline.case)
    ours = kept.result.at(headline.row, headline.column) if kept is not None else None
    if kept is None or ours is None:
        return []
    beside = "; ".join(text for each in headline.against for text in _beside(each, ours, kept.result))
    reached = "" if headline.reached is None else "yes" if headline.reached(kept.result) else "**no**"
    return [f"| {headline.what} | {_figure(ours)} {headline.unit} | {beside} | {headline.bar} | {reached} |\n"]


def _beside(against: Against, ours: float, result: Result) -> list[str]:
    theirs = result.at(against.row, against.column)
    if theirs is None:
        return []
    ratio = f" ({ours / theirs:.2f})" if theirs else ""
    return [f"{against.name} {_figure(theirs)}{ratio}"]


def _figure(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


if __name__ == "__main__":
    write(Path("README.md"), load(Path("bench/results")))
