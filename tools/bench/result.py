"""What a bench found: a small table, and whether its bars are held."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias


class Result(NamedTuple):
    """Figures of one case. A row has one figure a column; None where there is none."""

    title: str
    columns: tuple[str, ...]
    rows: dict[str, tuple[float | None, ...]]
    checks: dict[str, bool]
    """Bars, by what they say."""

    def table(self) -> str:
        """Return it for a terminal."""
        lines = [f"{self.title:38}" + "".join(f"{column:>12}" for column in self.columns)]
        for name, figures in self.rows.items():
            cells = ("-" if figure is None else format(figure, ".3f") for figure in figures)
            lines.append(f"{name:38}" + "".join(f"{cell:>12}" for cell in cells))
        lines += [f"{'ok  ' if held else 'FAIL'} {check}" for check, held in self.checks.items()]
        return "\n".join(lines)


Case: TypeAlias = Callable[[float], Result]
"""Measures for about so many seconds. Raises PermissionError where this machine does not let it measure."""
