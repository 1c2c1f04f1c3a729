"""Findings as a table for people and as JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from clankvox.doctor.finding import Finding, Verdict

FORMAT_VERSION: Final = 1


def passed(findings: Sequence[Finding]) -> bool:
    """Whether nothing failed."""
    return all(finding.verdict is not Verdict.FAILED for finding in findings)


def as_text(findings: Sequence[Finding], versions: Mapping[str, str]) -> str:
    """Return the table and the versions, each line ended."""
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.verdict:8} {finding.name:{width}}  {finding.detail}")
        if finding.advice:
            lines.append(f"{'':8} {'':{width}}  -> {finding.advice}")
    lines += ["", "  ".join(f"{name} {version}" for name, version in versions.items()), "", _summary(findings)]
    return "\n".join(lines) + "\n"


def as_json(findings: Sequence[Finding], versions: Mapping[str, str]) -> str:
    """Return one JSON object: `format`, `passed`, `findings`, `versions`."""
    shown = [{**finding._asdict(), "seconds": round(finding.seconds, 4)} for finding in findings]
    report = {"format": FORMAT_VERSION, "passed": passed(findings), "findings": shown, "versions": dict(versions)}
    return json.dumps(report, indent=2) + "\n"


def _summary(findings: Sequence[Finding]) -> str:
    failed = [finding.name for finding in findings if finding.verdict is Verdict.FAILED]
    if failed:
        return f"Failed: {', '.join(failed)}."
    doubtful = [finding.name for finding in findings if finding.verdict is Verdict.WARNING]
    return f"This installation works; see {', '.join(doubtful)}." if doubtful else "This installation works."
