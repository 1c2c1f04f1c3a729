"""Pictures of the figures: how gaps are spread, and latency and CPU over the number of speakers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np

from tools.bench.kept import Kept

mpl.use("Agg")
from matplotlib import pyplot as plt

_SIZE: Final = (8, 4.5)
_ERRORS_MS: Final = np.logspace(-3, 2, 80)
_PACING: Final = ("pacing", "pacing_speakers", "pacing_loaded", "pacing_pictures", "pacing_music", "senders")
_LATENCIES: Final = (50.0, 90.0, 99.0, 99.9)


def draw(found: dict[str, Kept], folder: Path) -> None:
    """Write a PNG for each of `found` that there is a picture of."""
    for name in _PACING:
        if name in found:
            _gap_errors(found[name], folder / f"{name}.png")
    if "capture" in found:
        _latencies(found["capture"], folder / "capture_latency.png")
        _cpu(found["capture"], folder / "capture_cpu.png")


def _gap_errors(kept: Kept, path: Path) -> None:
    figure, axes = plt.subplots(figsize=_SIZE)
    for name, errors_ms in kept.result.samples.items():
        shown = np.clip(errors_ms, _ERRORS_MS[0], _ERRORS_MS[-1])
        axes.hist(shown, bins=_ERRORS_MS.tolist(), histtype="step", label=name)
    axes.set(xscale="log", yscale="log", xlabel="difference of a gap from 20 ms, in ms", ylabel="gaps")
    _finish(figure, axes, kept.result.title, path)


def _latencies(kept: Kept, path: Path) -> None:
    figure, axes = plt.subplots(figsize=_SIZE)
    speakers = [int(name.split()[0]) for name in kept.result.samples]
    for percentile in _LATENCIES:
        waits = [float(np.percentile(waits_ms, percentile)) for waits_ms in kept.result.samples.values()]
        axes.plot(speakers, waits, marker="o", label=f"p{percentile:g}")
    axes.set(xlabel="speakers", ylabel="packet to frame on stdout, ms", yscale="log")
    _finish(figure, axes, kept.result.title, path)


def _cpu(kept: Kept, path: Path) -> None:
    figure, axes = plt.subplots(figsize=_SIZE)
    speakers = [int(name.split()[0]) for name in kept.result.rows]
    for column, label in (("CPU s/min", "clankvox"), ("bare CPU s/min", "bare loop")):
        figures: Sequence[float] = [kept.result.at(name, column) or 0.0 for name in kept.result.rows]
        axes.plot(speakers, figures, marker="o", label=label)
    axes.axhline(0.35, linestyle=":", color="grey", label="bar")
    axes.set(xlabel="speakers", ylabel="CPU seconds a minute of one speaker")
    axes.set_ylim(bottom=0)
    _finish(figure, axes, kept.result.title, path)


def _finish(figure: Any, axes: Any, title: str, path: Path) -> None:
    axes.set_title(title)
    axes.legend()
    axes.grid(visible=True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
