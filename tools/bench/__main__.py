"""`make bench`: run the benches, print a table, keep the figures in bench/results."""

import argparse
import json
import sys
from pathlib import Path

from tools.bench import pacing


def main() -> int:
    """Run; exit code 1 if a bar is not held, 2 if this machine does not let us measure."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--out", type=Path, default=Path("bench/results"))
    options = parser.parse_args()
    try:
        result = pacing.run(options.seconds)
    except PermissionError:
        sys.stderr.write("wire times need the right to open a packet socket (root or CAP_NET_RAW)\n")
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "pacing.json").write_text(json.dumps(result, indent=2) + "\n")
    print(f"{'pacing, ' + format(options.seconds, 'g') + ' s of TTS':32}{'clankvox':>12}{'control':>12}")
    for name, value in result["clankvox"].items():
        print(f"{name:32}{value:12.3f}{result['control'][name]:12.3f}")
    for check, held in result["checks"].items():
        print(f"{'ok  ' if held else 'FAIL'} {check}")
    return 0 if all(result["checks"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
