"""`make bench`: run the benches, print a table of each, keep the figures in bench/results."""

import argparse
import json
import sys
from pathlib import Path

from tools.bench.cases import CASES


def main() -> int:
    """Run; exit code 1 if a bar is not held, 2 if this machine does not let us measure."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench")
    parser.add_argument("--only", nargs="+", choices=CASES, default=[*CASES], help="cases to run; all by default")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--out", type=Path, default=Path("bench/results"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    held, measured = True, True
    for name in options.only:
        try:
            result = CASES[name](options.seconds)
        except PermissionError:
            sys.stderr.write(f"{name}: wire times need the right to open a packet socket (root or CAP_NET_RAW)\n")
            measured = False
            continue
        (options.out / f"{name}.json").write_text(json.dumps(result._asdict(), indent=2) + "\n")
        print(result.table(), end="\n\n", flush=True)
        held = held and all(result.checks.values())
    return 2 if not measured else int(not held)


if __name__ == "__main__":
    sys.exit(main())
