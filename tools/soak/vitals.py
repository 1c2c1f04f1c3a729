"""What a process takes: resident memory, threads, file descriptors and children, read out of /proc once a second.

Resident memory is no count of what is alive: malloc gives whole pages back, late and by steps of megabytes, and reaches
its high-water mark only after every kind of fault has been seen under load a few times (measured: 3 MiB from the 4th to
the 10th minute, then 0.5 MiB up and down around 128, with nothing alive that was not before). So what the first ten
minutes do is left out, steps and dips are taken out by medians of a minute, and a slope is told with how far it may be
off: in the 20 minutes that are left of 30 a MiB of unrest is 3 MiB/h. A run fails if it proves more than the limit; one
that proves less than 1 MiB/h takes hours.
"""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from clankvox.clock import SystemClock

_EVERY_S: Final = 1.0
_KIB_A_MIB: Final = 1024
_LEAST_SAMPLES: Final = 20
_LEAST_BLOCKS: Final = 10
_BLOCK_S: Final = 60.0


class Sample(NamedTuple):
    """One reading; `at_s` is monotonic."""

    at_s: float
    rss_mib: float
    threads: int
    fds: int


class Growth(NamedTuple):
    """Behind the warm-up; of threads and file descriptors from its first fifth to its last, in medians."""

    rss_mib_an_hour: float
    """Median of the slopes between any two blocks (Theil and Sen)."""
    rss_at_least: float
    """The slope, less what unrest (blocks off the line, 5th to 95th percentile) from one end to the other makes."""
    rss_at_most: float
    """The slope, and as much more."""
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
            except (OSError, KeyError):  # the process has ended; until it is waited for, it has a status without memory
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
    slope, least, most = _slope(warm)
    fifth = len(warm) // 5
    threads, fds = (
        float(np.median([sample[field] for sample in warm[-fifth:]]))
        - float(np.median([sample[field] for sample in warm[:fifth]]))
        for field in (2, 3)
    )
    return Growth(slope, least, most, threads, fds)


def _slope(samples: Sequence[Sample]) -> tuple[float, float, float]:
    """Return MiB an hour and its bounds; neighbouring minutes resemble each other, Sen's own would be too narrow."""
    at_s = np.array([sample.at_s for sample in samples])
    rss = np.array([sample.rss_mib for sample in samples])
    width_s = min(_BLOCK_S, (at_s[-1] - at_s[0]) / _LEAST_BLOCKS)
    number = ((at_s - at_s[0]) / width_s).astype(int)
    blocks = [number == each for each in np.unique(number)]
    hours = np.array([np.median(at_s[block]) for block in blocks]) / 3600
    level = np.array([np.median(rss[block]) for block in blocks])
    first, second = np.triu_indices(len(blocks), 1)
    slope = float(np.median((level[second] - level[first]) / (hours[second] - hours[first])))
    off = level - slope * hours
    unrest = float(np.subtract(*np.percentile(off, [95, 5]))) / float(hours[-1] - hours[0])
    return slope, slope - unrest, slope + unrest


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
