"""`clankvox demo`: one whole call against the offline Discord; exit code 0 only if everything is as it should be."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import orjson

from clankvox.clock import SystemClock
from clankvox.demo import live, meters, mixture, report, sights
from clankvox.demo.call import Call
from clankvox.demo.checks import Sounds
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from clankvox.demo.plan import Plan, make_plan
from clankvox.demo.report import Report
from clankvox.demo.sound import NoSound
from clankvox.demo.streams import measure
from clankvox.errors import ClankvoxError

_WRONG: Final = 1
_NO_INPUT: Final = 66
"""EX_NOINPUT of sysexits.h."""
_LOG_LINES: Final = 20


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code. Blocks the main thread for about 20 s."""
    arguments = _parser().parse_args(argv)
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    with _raw_folder(out, keep=arguments.keep) as raw:
        try:
            plan = make_plan(arguments.speech, arguments.loss / 100, out, raw, arguments.music, golive=arguments.golive)
        except NoSound as error:
            sys.stderr.write(f"clankvox demo: {error}\n")
            return _NO_INPUT
        made = _hold(plan, tls=not arguments.no_tls)
    files = report.save(made, out)
    sys.stdout.write(f"\n{report.as_text(made)}\n\n")
    sys.stdout.write(f"{made.verdict}: {files[0]}, sounds and pictures beside it\n")
    return 0 if made.passed else _WRONG


def _hold(plan: Plan, *, tls: bool) -> Report:
    """Start both processes, hold the call, end both, and judge what came of it."""
    with OfflineDiscord([] if tls else ["--no-tls"]) as discord:
        trusted = {} if discord.ca_file is None else {"SSL_CERT_FILE": str(discord.ca_file)}
        with VoxParent(env=trusted, args=plan.serve_arguments) as vox:
            call = Call(plan, vox, discord)
            fault = _watch(plan, call, vox, discord)
        _save_raw(plan, vox, discord)
    if fault is not None:
        sys.stderr.write("\n".join([f"clankvox demo: {fault}", *vox.stderr_lines[-_LOG_LINES:], ""]))
    sounds = Sounds(measure(plan), mixture.measure(plan))
    shown = call.outcome.shown
    seen = None if shown is None else sights.measure(plan, shown, vox)
    return report.make_report(plan, call.outcome, vox, sounds, fault, seen)


def _watch(plan: Plan, call: Call, vox: VoxParent, discord: OfflineDiscord) -> str | None:
    """Hold the call in view; return why it did not go on, None if it did."""
    clock = SystemClock()
    with live.Watcher(lambda: meters.read(plan, call, vox, discord, clock.now()), live.make_view(sys.stdout)):
        try:
            call.run()
        except ClankvoxError as error:
            out_of_step = "" if vox.fault is None else f" ({vox.fault})"
            return f"{call.outcome.acts[-1]}: {error}{out_of_step}"
    return None


@contextmanager
def _raw_folder(out: Path, *, keep: bool) -> Iterator[Path]:
    if keep:
        raw = out / "raw"
        shutil.rmtree(raw, ignore_errors=True)
        raw.mkdir()
        yield raw
    else:
        with tempfile.TemporaryDirectory(prefix="clankvox-demo-") as folder:
            yield Path(folder)


def _save_raw(plan: Plan, vox: VoxParent, discord: OfflineDiscord) -> None:
    """Write down what both processes said."""
    events = [{"atSeconds": round(event.at_s, 4), **event.body} for event in vox.events]
    for name, lines in (("events.jsonl", events), ("happenings.jsonl", discord.happenings)):
        text = b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)
        (plan.raw / name).write_bytes(text)
    (plan.raw / "log.txt").write_text("\n".join(vox.stderr_lines) + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="clankvox demo",
        description="Hold a whole end-to-end-encrypted call against the offline Discord: two members speak and are "
        "heard as separate streams, a line is said and they record it, music plays and is lowered under speech. "
        "Writes sounds, spectrograms and a report.",
    )
    add = parser.add_argument
    add("--out", type=Path, default=Path("demo-out"), help="folder for everything that is written (%(default)s)")
    add(
        "--speech",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="sound file for the first member to speak, given twice for the second one too (shipped phrases)",
    )
    add("--music", metavar="FILE_OR_URL", help="what is played at the end (a short piece that is made up)")
    add("--golive", action="store_true", help="publish a film and watch another member's stream as well")
    add("--no-tls", action="store_true", help="plain ws:// to the offline Discord")
    add("--loss", type=_percent, default=0.0, metavar="PERCENT", help="lose so many datagrams each way (%(default)s)")
    add("--keep", action="store_true", help="keep the members' other recordings, all events and logs in OUT/raw")
    return parser


def _percent(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 50:
        raise argparse.ArgumentTypeError("has to be between 0 and 50")
    return value
