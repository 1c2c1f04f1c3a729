"""`make soak`: a call among faults, members who come and go, silence behind a NAT; prints and keeps what was lost."""

import argparse
import sys
from pathlib import Path

from tools.soak import bars, churn, report, silence
from tools.soak.run import Plan, Run


def main() -> int:
    """Run; exit code 1 if a bar is not held."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak")
    parser.add_argument("--minutes", type=float, default=30.0, help="of the call; 0 for none")
    parser.add_argument("--churn", type=int, default=1000, help="changes of the group after it; 0 for none")
    parser.add_argument("--silence", type=float, default=2.0, help="minutes behind a NAT, twice; 0 for none")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("soak-out"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    held = True
    if options.minutes > 0:
        held = _call(options.minutes * 60, options.seed, options.out)
    if options.churn > 0:
        held = _churn(options.churn, options.seed, options.out) and held
    if options.silence > 0:
        held = _silence(options.silence * 60, options.out) and held
    return int(not held)


def _call(seconds: float, seed: int, out: Path) -> bool:
    with Run(Plan(seconds, seed, out)) as run:
        try:
            outcome = run.hold()
        finally:
            run.keep()
    verdict = bars.judge(outcome)
    report.save(outcome, verdict, out)
    print(report.markdown(outcome, verdict), flush=True)
    return all(bar.held for bar in verdict)


def _churn(events: int, seed: int, out: Path) -> bool:
    with churn.Churn(seed, out) as run:
        outcome = run.hold(events)
    verdict = churn.judge(outcome)
    report.save_churn(outcome, verdict, out)
    print(report.churn_markdown(outcome, verdict), flush=True)
    return all(bar.held for bar in verdict)


def _silence(seconds: float, out: Path) -> bool:
    with silence.Silence(seconds) as run:
        outcome = run.hold()
    verdict = silence.judge(outcome)
    report.save_silence(outcome, verdict, out)
    print(report.silence_markdown(outcome, verdict), flush=True)
    return all(bar.held for bar in verdict)


if __name__ == "__main__":
    sys.exit(main())
