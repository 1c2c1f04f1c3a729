"""`make bench`: run the benches, print a table of each, keep figures, plots and a Markdown table in bench/results."""

import argparse
import compileall
import json
import sys
from pathlib import Path
from typing import Any

from clankvox.errors import ClankvoxError
from tools.bench import machine, plots, readme
from tools.bench.cases import CASES, SECONDS, USUAL_SECONDS
from tools.bench.result import Result, medians

RESULTS = Path("bench/results")


def main() -> int:
    """Run; exit code 1 if a bar is not held, 2 if this machine does not let us measure."""
    options = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    compileall.compile_dir("clankvox", quiet=1)  # as pip does: a process that compiles all of it starts 100 ms later
    held, measured = True, True
    measured_on = machine.describe()
    for name in options.only:
        seconds = options.seconds or SECONDS.get(name, USUAL_SECONDS)
        try:
            result = medians([CASES[name](seconds) for _ in range(options.runs)])
        except (OSError, ClankvoxError) as failure:
            hint = "; wire times need root or CAP_NET_RAW" if isinstance(failure, PermissionError) else ""
            sys.stderr.write(f"{name}: {failure}{hint}\n")
            measured = False
            continue
        keep(options.out, name, result, {"machine": measured_on, "seconds": seconds, "runs": options.runs})
        print(result.table(), end="\n\n", flush=True)
        held = held and all(result.checks.values())
    found = readme.load(options.out)
    plots.draw(found, options.out)
    (options.out / "table.md").write_text(readme.section(found))
    if options.readme is not None:
        readme.write(options.readme, found)
    return 2 if not measured else int(not held)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench")
    parser.add_argument("--only", nargs="+", choices=CASES, default=[*CASES], help="cases to run; all by default")
    parser.add_argument("--seconds", type=float, help="of each measurement; what is usual for each case by default")
    parser.add_argument("--runs", type=int, default=1, help="of each case, of which the medians count")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--readme", type=Path, help="the page whose table is to be renewed")
    return parser.parse_args()


def keep(folder: Path, name: str, result: Result, about: dict[str, Any]) -> None:
    """Write the figures of a case, and what they were measured on and how."""
    (folder / f"{name}.json").write_text(json.dumps({**about, **result.as_json()}, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
