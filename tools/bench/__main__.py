"""`make bench`: run the benches, print a table of each, keep figures, plots and a Markdown table in bench/results.

Every case runs once before any runs again, and is kept at once: what is interrupted has all that it measured so far.
"""

import argparse
import compileall
import gc
import sys
import traceback
from pathlib import Path
from typing import Final

from clankvox.clock import SystemClock
from clankvox.errors import ClankvoxError
from tools.bench import kept, machine, plan, plots, readme
from tools.bench.cases import CASES, COSTS
from tools.bench.kept import Kept
from tools.bench.plan import Planned

RESULTS: Final = Path("bench/results")
_NOT_MEASURED: Final = 2


def main() -> int:
    """Run; exit code 1 if a bar is not held, 2 if this machine does not let us measure."""
    options = parse()
    folder = options.source or options.out
    whole = True
    if options.source is None:
        folder.mkdir(parents=True, exist_ok=True)
        compileall.compile_dir("clankvox", quiet=1)  # as pip does: a process that compiles all of it starts later
        whole = measure(options)
    found = kept.load(folder)
    plots.draw(found, folder)
    (folder / "table.md").write_text(readme.page(found))
    if options.readme is not None:
        readme.write(options.readme, options.docs, found, folder)
    held = all(each for name in options.only if name in found for each in found[name].result.checks.values())
    return int(not held) if whole else _NOT_MEASURED


def measure(options: argparse.Namespace) -> bool:
    """Run the cases that `options` ask for, round after round; returns whether this machine let us measure all."""
    clock = SystemClock()
    costs = {name: COSTS[name] for name in options.only}
    planned = plan.plan(costs, options.runs, options.seconds, options.minutes)
    end_s = clock.now() + (options.minutes * 60 if options.minutes else float("inf"))
    sys.stderr.write(f"about {plan.whole_s(costs, planned) / 60:.0f} minutes\n")
    found = kept.load(options.out) if options.add else {}
    failed = set()
    for number in range(options.runs):
        for name in options.only:
            if number >= planned[name].runs:
                continue
            if number and clock.now() + costs[name].run_s(planned[name].seconds) > end_s:
                sys.stderr.write(f"{name}: no time for run {number + 1}\n")
            elif (after := run(name, planned[name], found.get(name))) is None:
                failed.add(name)
            else:
                found[name] = after
                kept.save(options.out, name, after)
                print(after.result.table(), end="\n\n", flush=True)
    return not failed


def run(name: str, planned: Planned, before: Kept | None) -> Kept | None:
    """Run a case once more; None if it cannot be measured here, or failed: the others, and the next round, go on."""
    clock, measured_on = SystemClock(), machine.describe()
    begun_s = clock.now()
    gc.collect()
    gc.disable()  # it stands still for up to 60 ms, and what it stamps meanwhile would look late
    try:
        result = CASES[name](planned.seconds)
    except (OSError, ClankvoxError) as failure:
        hint = "; wire times need root or CAP_NET_RAW" if isinstance(failure, PermissionError) else ""
        sys.stderr.write(f"{name}: {failure}{hint}\n")
        return None
    except Exception:  # noqa: BLE001 - hours of measurements must not end with one case
        sys.stderr.write(f"{name}: {traceback.format_exc()}\n")
        return None
    finally:
        gc.enable()
    return kept.with_run(before, result, measured_on, planned.seconds, clock.now() - begun_s)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench")
    parser.add_argument("--only", nargs="+", choices=CASES, default=[*CASES], help="cases to run; all by default")
    parser.add_argument("--seconds", type=float, help="of each measurement; what is usual for each case by default")
    parser.add_argument("--minutes", type=float, help="that all may take: shorter measurements, as far as they may be")
    parser.add_argument("--runs", type=int, default=1, help="of each case, of which the medians count")
    parser.add_argument("--add", action="store_true", help="to the runs that are kept, instead of beginning anew")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--from", type=Path, dest="source", help="measure nothing: take what is kept in this folder")
    parser.add_argument("--readme", type=Path, help="the page whose table is to be renewed, and docs/benchmarks.md")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="where the whole page and its pictures go")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
