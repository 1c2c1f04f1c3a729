"""`make soak`: hold a call among faults, print what was lost by cause, keep the report in soak-out."""

import argparse
import sys
from pathlib import Path

from tools.soak.bars import judge
from tools.soak.report import markdown, save
from tools.soak.run import Plan, Run


def main() -> int:
    """Run; exit code 1 if a bar is not held."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("soak-out"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with Run(Plan(options.minutes * 60, options.seed, options.out)) as run:
        try:
            outcome = run.hold()
        finally:
            run.keep()
    bars = judge(outcome)
    save(outcome, bars, options.out)
    print(markdown(outcome, bars))
    return int(not all(bar.held for bar in bars))


if __name__ == "__main__":
    sys.exit(main())
