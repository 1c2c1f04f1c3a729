"""What `make bench` keeps in bench/results: one file a case, written anew after every run of it."""

import json
from pathlib import Path
from typing import Final, NamedTuple

from tools.bench.result import NO_SAMPLES, Result, medians, of_json

_DIGITS: Final = 4
"""Of samples, which plots are made of."""


class Kept(NamedTuple):
    """One case."""

    result: Result
    """The medians of all runs, and their samples together."""
    machine: dict[str, str]
    """The last run's."""
    seconds: float
    runs: int
    took_s: float = 0.0
    """How long the last run took, with everything around the measurement."""
    each: tuple[Result, ...] = ()
    """The runs, without their samples."""

    @property
    def about(self) -> str:
        """How often and how long it was measured."""
        return f"{self.runs} x {self.seconds:.3g} s"


def with_run(before: Kept | None, run: Result, machine: dict[str, str], seconds: float, took_s: float) -> Kept:
    """Return what is known after one more run; runs with other columns than it has are of no use any more."""
    if before is not None and before.result.columns != run.columns:
        before = None
    each = (*(() if before is None else before.each), run._replace(samples=NO_SAMPLES))
    earlier = NO_SAMPLES if before is None else before.result.samples
    samples = {name: [*earlier.get(name, ()), *values] for name, values in run.samples.items()}
    return Kept(medians(each)._replace(samples=samples), machine, seconds, len(each), took_s, each)


def save(folder: Path, name: str, kept: Kept) -> None:
    """Write a case; what was written before stays whole until all of it is there."""
    result = kept.result.as_json()
    result["samples"] = {of: [round(one, _DIGITS) for one in values] for of, values in result["samples"].items()}
    each = [run.as_json() for run in kept.each]
    about = {"machine": kept.machine, "seconds": kept.seconds, "runs": kept.runs, "took_s": round(kept.took_s, 1)}
    partial = folder / f"{name}.json.partial"
    partial.write_text(json.dumps({**about, **result, "each": each}, indent=1) + "\n")
    partial.rename(folder / f"{name}.json")


def load(folder: Path) -> dict[str, Kept]:
    """Read all cases that are there, by name."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        told = json.loads(path.read_text())
        each = tuple(of_json(run) for run in told.get("each", ())) or (of_json({**told, "samples": {}}),)
        took_s = told.get("took_s", 0.0)
        found[path.stem] = Kept(
            of_json(told), told.get("machine", {}), told.get("seconds", 0), told.get("runs", 1), took_s, each
        )
    return found
