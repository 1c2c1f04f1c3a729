"""What a bench found: a small table, whether its bars are held, and the samples that plots are made of."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

NO_SAMPLES: Final[Mapping[str, Sequence[float]]] = MappingProxyType({})


class Result(NamedTuple):
    """Figures of one case. A row has one figure a column; None where there is none."""

    title: str
    columns: tuple[str, ...]
    rows: dict[str, tuple[float | None, ...]]
    checks: dict[str, bool]
    """Bars, by what they say."""
    samples: Mapping[str, Sequence[float]] = NO_SAMPLES
    """By what they are of, such as gap errors in ms of one sender."""

    def table(self) -> str:
        """Return it for a terminal."""
        lines = [f"{self.title:38}" + "".join(f"{column:>16}" for column in self.columns)]
        for name, figures in self.rows.items():
            cells = ("-" if figure is None else format(figure, ".3f") for figure in figures)
            lines.append(f"{name:38}" + "".join(f"{cell:>16}" for cell in cells))
        lines += [f"{'ok  ' if held else 'FAIL'} {check}" for check, held in self.checks.items()]
        return "\n".join(lines)

    def at(self, row: str, column: str) -> float | None:
        """Return one figure, None if it was not measured."""
        if row not in self.rows or column not in self.columns:
            return None
        return self.rows[row][self.columns.index(column)]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain objects."""
        return {**self._asdict(), "samples": {name: [*values] for name, values in self.samples.items()}}


def of_json(found: dict[str, Any]) -> Result:
    """Return what `as_json` wrote."""
    rows = {name: tuple(row) for name, row in found["rows"].items()}
    return Result(found["title"], tuple(found["columns"]), rows, found["checks"], found.get("samples", {}))


def medians(results: Sequence[Result]) -> Result:
    """Make one of several runs: the median of every figure, and a bar is held if most runs hold it.

    Of an odd number of runs most hold a limit if, and only if, their median does.
    """
    if len(results) == 1:
        return results[0]
    first = results[0]
    names = dict.fromkeys(name for each in results for name in each.rows)
    rows = {name: _median([each.rows[name] for each in results if name in each.rows]) for name in names}
    bars = dict.fromkeys(name for each in results for name in each.checks)
    checks = {name: sum(each.checks.get(name, False) for each in results) * 2 > len(results) for name in bars}
    samples = {name: [value for each in results for value in each.samples.get(name, ())] for name in first.samples}
    return Result(f"{first.title}, median of {len(results)} runs", first.columns, rows, checks, samples)


def _median(rows: Sequence[tuple[float | None, ...]]) -> tuple[float | None, ...]:
    columns = ([figure for figure in column if figure is not None] for column in zip(*rows, strict=True))
    return tuple(float(np.median(column)) if column else None for column in columns)


Case: TypeAlias = Callable[[float], Result]
"""Measures for about so many seconds. Raises PermissionError where this machine does not let it measure."""
