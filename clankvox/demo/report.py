"""The report: printed, `report.md` for people, `report.json` for programs."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from clankvox.demo import checks as rules
from clankvox.demo.call import Outcome
from clankvox.demo.checks import Check, Sounds
from clankvox.demo.golive_checks import check_golive
from clankvox.demo.mixture import Mixture
from clankvox.demo.parent import VoxParent
from clankvox.demo.plan import Plan
from clankvox.demo.sights import Sight, Sights
from clankvox.demo.streams import Stream

_COLUMNS: Final = ("stream", "SNR", "plain Opus", "beyond Opus", "lost", "slipped", "begins at", "said", "heard")
_LEGEND: Final = (
    "- *SNR*: what was heard against what was said, aligned and at matched gain; what is missing counts as noise.",
    "- *plain Opus*: the SNR that libopus alone reaches on the same sound with the sender's settings.",
    "- *beyond Opus*: what was heard against what libopus alone makes of the sound: what the call added.",
    "- *slipped*: parts that moved against each other, as they do when a busy machine misses a slot.",
)

Figures = dict[str, float]


class Report(NamedTuple):
    """Everything that is said about the call in the end."""

    checks: list[Check]
    streams: list[Stream]
    music: Mixture
    latency_ms: Figures
    pacing: Figures
    golive: Sights | None = None
    """Of the Go Live act, if there was one."""

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return all(check.passed for check in self.checks)

    @property
    def verdict(self) -> str:
        """The end of it, in words; a machine that is too busy is not blamed on the call."""
        if self.passed:
            return "Green"
        only_late = all(check.passed or check.timing for check in self.checks)
        return "Only late, perhaps because this machine is busy" if only_late else "Something is wrong"


def make_report(
    plan: Plan, outcome: Outcome, vox: VoxParent, sounds: Sounds, fault: str | None, golive: Sights | None = None
) -> Report:
    """Judge the call and gather its figures."""
    checks = rules.check_call(plan, outcome, vox, sounds, fault)
    if golive is not None:
        checks += check_golive(golive)
    return Report(checks, sounds.streams, sounds.music, _latency(plan, outcome, vox), _pacing(outcome), golive)


def save(report: Report, out: Path) -> list[Path]:
    """Write both files and return their paths."""
    markdown, data = out / "report.md", out / "report.json"
    markdown.write_text(as_markdown(report), encoding="utf-8")
    data.write_bytes(orjson.dumps(as_json(report), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return [markdown, data]


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as plain data; files are named relative to its folder."""
    return {
        "passed": report.passed,
        "checks": [check._asdict() for check in report.checks],
        "streams": [_stream_json(stream) for stream in report.streams],
        "music": _music_json(report.music),
        "latencyMs": report.latency_ms,
        "pacing": report.pacing,
        "golive": None if report.golive is None else _golive_json(report.golive),
    }


def as_markdown(report: Report) -> str:
    """Return the report as Markdown with its pictures."""
    lines = [f"# clankvox demo: {'everything as it should be' if report.passed else report.verdict.lower()}", ""]
    lines += ["| | check | measured | bar |", "|---|---|---|---|"]
    lines += [
        f"| {'ok' if check.passed else '**wrong**'} | {check.name} | {check.measured} | {check.bar} |"
        for check in report.checks
    ]
    lines += ["", "## Heard against said", "", *_LEGEND, "", _row(_COLUMNS), "|---" * len(_COLUMNS) + "|"]
    lines += [_row(_stream_cells(stream)) for stream in report.streams]
    lines += ["", "## Latency", "", *_figure_rows(report.latency_ms, "ms")]
    lines += ["", "## Pacing, as the offline Discord saw it", "", *_figure_rows(report.pacing, "")]
    if report.golive is not None:
        lines += ["", "## Go Live", "", *_golive_rows(report.golive)]
    lines += ["", "## Spectrograms", ""]
    for stream in report.streams:
        if stream.picture is not None:
            said = stream.said_file.with_suffix(".png").name
            lines += [f"![{stream.name}: said]({said})", "", f"![{stream.name}: heard]({stream.picture.name})", ""]
    if report.music.picture is not None:
        lines += [f"![Music as heard]({report.music.picture.name})", ""]
    return "\n".join(lines).rstrip() + "\n"


def as_text(report: Report) -> str:
    """Return the checks as aligned lines for a terminal."""
    names = max(len(check.name) for check in report.checks)
    figures = max(len(check.measured) for check in report.checks)
    return "\n".join(
        f"{'ok   ' if check.passed else 'WRONG'}  {check.name:<{names}}  {check.measured:>{figures}}  ({check.bar})"
        for check in report.checks
    )


def _latency(plan: Plan, outcome: Outcome, vox: VoxParent) -> Figures:
    figures = {}
    if outcome.ready_s:
        figures["join to ready"] = (outcome.ready_s - outcome.join_sent_s) * 1000
    for member in plan.members:
        audio = vox.audio_of(member.user_id)
        if audio and member.name in outcome.members:
            figures[f"{member.name}'s first packet to first PCM"] = rules.first_word_ms(member, outcome, audio)
    if outcome.vox.get("packets") and outcome.reply_sent_s:
        figures["first TTS line to first packet"] = rules.reply_ms(outcome)
    return {name: round(value, 1) for name, value in figures.items()}


def _pacing(outcome: Outcome) -> Figures:
    vox = outcome.vox
    if not vox.get("packets"):
        return {}
    return {
        "packets": int(vox["packets"]),
        "packets per second": round(rules.packet_rate_pps(outcome), 2),
        "longest gap in ms": round(float(vox["maxGapMs"]), 1),
        "gaps over 35 ms": int(vox["gapsOver35Ms"]),
        "gaps under 5 ms": int(vox["gapsUnder5Ms"]),
        "lost on the way": int(vox["seqGaps"]),
        "encrypted frames": int(vox["daveFrames"]),
        "silence frames": int(vox["silenceFrames"]),
        "plaintext frames": int(vox["plaintextFrames"]),
    }


def _figure_rows(figures: Figures, unit: str) -> list[str]:
    return ["| | |", "|---|---|", *(f"| {name} | {value:g} {unit}".rstrip() + " |" for name, value in figures.items())]


def _stream_cells(stream: Stream) -> tuple[str, ...]:
    found = stream.alignment
    said = f"[{stream.said_s:.2f} s]({stream.said_file.name})"
    if found is None:
        return (stream.name, "nothing heard", f"{stream.plain_opus_db:.1f} dB", "", "", "", "", said, "")
    return (
        stream.name,
        f"{found.snr_db:.1f} dB",
        f"{stream.plain_opus_db:.1f} dB",
        f"{stream.beyond_opus_db:.1f} dB",
        f"{found.lost_ms:.0f} ms",
        f"{found.slipped_ms:.0f} ms",
        f"{found.delay_ms:.1f} ms",
        said,
        f"[{stream.heard_s:.2f} s]({stream.heard_file.name})",
    )


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _stream_json(stream: Stream) -> dict[str, Any]:
    found = stream.alignment
    return {
        "name": stream.name,
        "said": stream.said_file.name,
        "saidSeconds": round(stream.said_s, 3),
        "heard": None if found is None else stream.heard_file.name,
        "heardSeconds": round(stream.heard_s, 3),
        "plainOpusDb": round(stream.plain_opus_db, 2),
        "beyondOpusDb": None if found is None else round(stream.beyond_opus_db, 2),
        "snrDb": None if found is None else round(found.snr_db, 2),
        "gain": None if found is None else round(found.gain, 4),
        "delayMs": None if found is None else round(found.delay_ms, 2),
        "lostMs": None if found is None else found.lost_ms,
        "slippedMs": None if found is None else found.slipped_ms,
        "spectrogram": None if stream.picture is None else stream.picture.name,
    }


def _music_json(music: Mixture) -> dict[str, Any]:
    return {
        "heard": None if music.picture is None else music.heard_file.name,
        "heardSeconds": round(music.heard_s, 3),
        "gainAloneDb": _rounded(music.alone_db),
        "gainUnderSpeechDb": _rounded(music.under_db),
        "gainAfterDb": _rounded(music.after_db),
        "spectrogram": None if music.picture is None else music.picture.name,
    }


def _golive_json(golive: Sights) -> dict[str, Any]:
    return {
        "watched": _sight_json(golive.watched),
        "published": _sight_json(golive.published),
        "firstPictureMs": _rounded(golive.first_picture_ms),
        "recoveriesMs": list(golive.recoveries_ms),
        "plaintextPictures": golive.clear_pictures,
        "jpegs": [path.name for path in golive.jpegs],
        "sheet": None if golive.sheet is None else golive.sheet.name,
    }


def _sight_json(sight: Sight) -> dict[str, Any]:
    return {
        "pictures": sight.pictures,
        "expected": sight.expected,
        "fps": round(sight.fps, 2),
        "latencyMs": _rounded(sight.latency_ms),
        "lostPackets": sight.lost_packets,
    }


def _golive_rows(golive: Sights) -> list[str]:
    names = ("", "pictures", "of", "per second", "latency", "packets lost")
    rows = [_row(names), "|---" * len(names) + "|"]
    for name, sight in (("watched", golive.watched), ("published", golive.published)):
        age = "unknown" if sight.latency_ms is None else f"{sight.latency_ms:.0f} ms"
        counts = (str(sight.pictures), str(sight.expected), f"{sight.fps:.1f}", age, str(sight.lost_packets))
        rows.append(_row((name, *counts)))
    return rows if golive.sheet is None else [*rows, "", f"![What was seen]({golive.sheet.name})"]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
