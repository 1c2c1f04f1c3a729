"""`clankvox doctor`: examine this installation and this machine; exit code 1 if something does not work."""

import argparse
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from clankvox.clock import SystemClock
from clankvox.doctor import report
from clankvox.doctor.examination import examine
from clankvox.doctor.machine import stun_server
from clankvox.doctor.versions import versions

_FAILED: Final = 1
_USAGE: Final = 64


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code. Blocks the main thread for about two seconds."""
    arguments = _parser().parse_args(argv)
    findings = examine(SystemClock(), arguments.stun)
    show = report.as_json if arguments.json else report.as_text
    sys.stdout.write(show(findings, versions()))
    sys.stdout.flush()  # who closed it, such as `| head`, is told here and not at the interpreter's end
    return 0 if report.passed(findings) else _FAILED


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(_USAGE, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="clankvox doctor", description="Check this installation and this machine.")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument(
        "--stun",
        type=stun_server,
        metavar="HOST[:PORT]",
        help="also ask this STUN server whether UDP reaches the internet; [HOST]:PORT for an IPv6 address",
    )
    return parser
