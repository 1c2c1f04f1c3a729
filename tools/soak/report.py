"""A run for people (Markdown) and for programs (JSON)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tools.soak.accounts import FRAME_S, Entry
from tools.soak.bars import Bar, median
from tools.soak.churn import ChurnOutcome
from tools.soak.ledgers import NEVER, NO_KEY, ON_THE_WAY
from tools.soak.outcome import Outcome
from tools.soak.silence import SilenceOutcome

_MEANT: Final = ("decoded", "quiet", "empty")


def markdown(outcome: Outcome, bars: Sequence[Bar]) -> str:
    """Return the report."""
    parts = [
        f"# Soak of {outcome.lasted_s / 60:.1f} min, seed {outcome.seed}, {len(outcome.happened)} faults",
        verdicts(bars),
        "## Heard and said by cause\n\nSeconds of sound; `heard` is what we captured of the members, `heard of us` is "
        "the least that one of them opened.\n\n" + _causes(outcome),
        "## Frames of the members by what became of them\n\n" + _fates(outcome),
        _process(outcome),
    ]
    failed = [
        f"- {each.number} {each.cause} at {each.at_s:.1f} s: {each.problem}"
        for each in outcome.happened
        if each.problem
    ]
    if failed:
        parts.append("## Not whole again\n\n" + "\n".join(failed))
    if outcome.wrong:
        parts.append("## Wrong events\n\n" + "\n".join(f"- `{json.dumps(body)}`" for body in outcome.wrong[:20]))
    if outcome.log_errors:
        parts.append("## Errors in the log\n\n" + "\n".join(f"- `{line}`" for line in outcome.log_errors))
    return "\n\n".join(parts) + "\n"


def churn_markdown(outcome: ChurnOutcome, bars: Sequence[Bar]) -> str:
    """Return the report of the group's changes."""
    events = ", ".join(f"{count} {event}" for event, count in sorted(outcome.events.items()))
    fates, unheard, refused = (
        ", ".join(f"{fate} {count}" for fate, count in sorted(counts.items()) if count) or "none"
        for counts in (outcome.heard, outcome.unheard, outcome.refused)
    )
    parts = [
        f"# Churn: {outcome.events.total()} changes of the group, {outcome.checks} times all were heard by all",
        verdicts(bars),
        f"- {events}",
        f"- packets of members: {outcome.sent}, sealed without us: {outcome.without_us}; others not heard: {unheard}",
        f"- fates of all streams: {fates}",
        f"- frames of ours that members opened: {outcome.opened}; that they could not open: {refused}",
        f"- members whose library could not follow a commit: {outcome.gave_up}",
    ]
    if outcome.problems or outcome.remarks:
        parts.append("\n".join(f"- {each}" for each in [*outcome.problems[:50], *outcome.remarks[:50]]))
    return "\n\n".join(parts) + "\n"


def save_churn(outcome: ChurnOutcome, bars: Sequence[Bar], folder: Path) -> None:
    """Write both into `folder`."""
    (folder / "churn.md").write_text(churn_markdown(outcome, bars))
    plain = {"bars": [{**bar._asdict(), "held": bar.held} for bar in bars], **outcome._asdict()}
    (folder / "churn.json").write_text(json.dumps(plain, indent=1) + "\n")


def silence_markdown(outcome: SilenceOutcome, bars: Sequence[Bar]) -> str:
    """Return the report of the silence behind a NAT."""
    first, second = outcome.keepalives
    parts = [
        f"# Twice {outcome.silent_s:g} s of silence behind a NAT that forgets after {outcome.nat_forgets_s:g} s",
        verdicts(bars),
        f"- keepalives: {first} before their word, {second} before ours",
    ]
    return "\n\n".join(parts) + "\n"


def save_silence(outcome: SilenceOutcome, bars: Sequence[Bar], folder: Path) -> None:
    """Write both into `folder`."""
    (folder / "silence.md").write_text(silence_markdown(outcome, bars))
    plain = {"bars": [{**bar._asdict(), "held": bar.held} for bar in bars], **outcome._asdict()}
    (folder / "silence.json").write_text(json.dumps(plain, indent=1) + "\n")


def save(outcome: Outcome, bars: Sequence[Bar], folder: Path) -> None:
    """Write both into `folder`."""
    (folder / "report.md").write_text(markdown(outcome, bars))
    (folder / "report.json").write_text(json.dumps(_plain(outcome, bars), indent=1) + "\n")


def verdicts(bars: Sequence[Bar]) -> str:
    """Return the bars as a table."""
    rows = [f"| {'ok' if bar.held else '**FAIL**'} | {bar.name} | {bar.figure:g} | {bar.limit:g} |" for bar in bars]
    return "\n".join(["| | bar | figure | limit |", "|---|---|---|---|", *rows])


def _causes(outcome: Outcome) -> str:
    head = (
        "| cause | times | lasted | spoken | heard | missing | said | heard of us | not opened | well again p50 | max |"
    )
    rows = [_cause(str(cause), entry) for cause, entry in sorted(outcome.entries.items())]
    return "\n".join([head, "|---" * 11 + "|", *rows])


def _cause(name: str, entry: Entry) -> str:
    spoken_s, heard_s = (sum(each.values()) * FRAME_S for each in (entry.spoken, entry.captured))
    of_us_s = min(entry.heard.values(), default=0) * FRAME_S
    refused = sum(entry.refused.values()) + sum(entry.excused.values())
    times = [f"{median(entry.recovered_s):.2f}", f"{max(entry.recovered_s):.2f}"] if entry.recovered_s else ["", ""]
    figures = [spoken_s, heard_s, spoken_s - heard_s, entry.said * FRAME_S, of_us_s]
    cells = [
        name,
        str(entry.times),
        f"{entry.lasted_s:.1f}",
        *(f"{each:.2f}" for each in figures),
        str(refused),
        *times,
    ]
    return "| " + " | ".join(cells) + " |"


def _fates(outcome: Outcome) -> str:
    fates = (*_MEANT, *ON_THE_WAY, *NO_KEY, *NEVER)
    shown = [fate for fate in fates if any(ledger[fate] for ledger in outcome.ledgers.values())]
    columns = ("expected", "arrived", "missing", *shown)
    rows = [
        "| " + " | ".join([user, *(str(ledger[column]) for column in columns)]) + " |"
        for user, ledger in outcome.ledgers.items()
    ]
    return "\n".join(["| member | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|", *rows])


def _process(outcome: Outcome) -> str:
    growth = outcome.growth
    told = "; ".join(f"{kind}: {count}" for kind, count in sorted(outcome.told.items()))
    grown = (
        "too short to tell"
        if growth is None
        else (
            f"{growth.rss_mib_an_hour:+.2f} MiB/h (between {growth.rss_at_least:+.2f} and {growth.rss_at_most:+.2f}), "
            f"{growth.threads:+g} threads, {growth.fds:+g} file descriptors"
        )
    )
    actors = "not told" if outcome.actors is None else f"{outcome.actors}, {outcome.more_actors:+g}"
    lines = [
        f"- memory: at most {outcome.peak_rss_mib:.0f} MiB; after the warm-up {grown}",
        f"- pictures: {outcome.pictures_seen} seen, {outcome.outbound.get('videoFramesSent', 0)} published",
        f"- speech: {outcome.said_speech_ms / 1000:.1f} s of {outcome.wanted_speech_ms / 1000:.1f} s said",
        f"- actors: {actors}, {outcome.restarts} failed",
        f"- exit code {outcome.exit_code}, {outcome.children_left} children left",
        f"- told: {told}",
    ]
    return "## The process\n\n" + "\n".join(lines)


def _plain(outcome: Outcome, bars: Sequence[Bar]) -> dict[str, Any]:
    fields = outcome._asdict()
    fields["entries"] = {str(cause): vars(entry) for cause, entry in outcome.entries.items()}
    fields["happened"] = [each._asdict() for each in outcome.happened]
    fields["growth"] = None if outcome.growth is None else outcome.growth._asdict()
    return {"bars": [{**bar._asdict(), "held": bar.held} for bar in bars], **fields}
