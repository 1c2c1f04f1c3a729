"""What a process takes: resident memory, threads, file descriptors and children, read out of /proc once a second."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from clankvox.clock import SystemClock

_EVERY_S: Final = 1.0
_KIB_A_MIB: Final = 1024
_LEAST_SAMPLES: Final = 20


class Sample(NamedTuple):
    """One reading; `at_s` is monotonic."""

    at_s: float
    rss_mib: float
    threads: int
    fds: int


class Growth(NamedTuple):
    """From the first fifth of what lies behind the warm-up to its last fifth, in medians."""

    rss_mib_an_hour: float
    threads: float
    fds: float


class Vitals:
    """Reads from a thread of its own until it is told to end."""

    def __init__(self, pid: int) -> None:
        self.samples: list[Sample] = []
        self._proc = Path(f"/proc/{pid}")
        self._clock = SystemClock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="soak-vitals", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Read no more."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_EVERY_S):
            try:
                self.samples.append(self._read())
            except OSError:  # the process has ended
                return

    def _read(self) -> Sample:
        status = dict(line.split(":", 1) for line in (self._proc / "status").read_text().splitlines() if ":" in line)
        rss_mib = int(status["VmRSS"].split()[0]) / _KIB_A_MIB
        fds = sum(1 for _ in (self._proc / "fd").iterdir())
        return Sample(self._clock.now(), rss_mib, int(status["Threads"]), fds)


def growth(samples: Sequence[Sample], warm_up_s: float) -> Growth | None:
    """Return the slope of memory (least squares) and the growth of the rest; None if there is too little to tell."""
    warm = [sample for sample in samples if sample.at_s >= samples[0].at_s + warm_up_s]
    if len(warm) < _LEAST_SAMPLES:
        return None
    hours = np.array([sample.at_s for sample in warm]) / 3600
    slope = float(np.polyfit(hours - hours[0], [sample.rss_mib for sample in warm], 1)[0])
    fifth = len(warm) // 5
    threads, fds = (
        float(np.median([sample[field] for sample in warm[-fifth:]]))
        - float(np.median([sample[field] for sample in warm[:fifth]]))
        for field in (2, 3)
    )
    return Growth(slope, threads, fds)


def children_of(pid: int) -> set[int]:
    """Return the process ids of all descendants."""
    found: set[int] = set()
    try:
        listed = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return found
    for child in {int(each) for line in listed for each in line}:
        found |= {child} | children_of(child)
    return found


def alive(pids: set[int]) -> set[int]:
    """Return those that are still there; a zombie is not."""
    return {pid for pid in pids if _state(pid) not in ("", "Z")}


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
