"""What a process has used, by the system's own accounting: its threads and its children included.

A process that lives is read to the nanosecond; children that are gone count in ticks of 10 ms, as they are handed down.
"""

import sys
import time
from typing import Final, NamedTuple, Self

import psutil

from clankvox.clock import SystemClock

MIB: Final = 1024 * 1024
_CPUCLOCK_SCHED: Final = 2
"""A process's clock id is made of its pid and this one: see clock_getcpuclockid(3) and posix-timers.h of Linux."""


class Usage(NamedTuple):
    """CPU seconds (user and system) between two instants."""

    cpu_s: float
    seconds: float

    @property
    def cpu_per_minute(self) -> float:
        """CPU seconds a minute."""
        return self.cpu_s / self.seconds * 60


class Meter:
    """Counts from its making, or from the last `restart`, on. A child that comes and goes in between is counted."""

    def __init__(self, pid: int) -> None:
        """Watch process `pid`; psutil.NoSuchProcess if there is none."""
        self._process = psutil.Process(pid)
        self._clock = SystemClock()
        self.restart()

    def restart(self) -> Self:
        """Count from now on."""
        self._since = self._clock.now(), self._cpu_s()
        return self

    def read(self) -> Usage:
        """Return what was used since."""
        at_s, cpu_s = self._since
        return Usage(self._cpu_s() - cpu_s, self._clock.now() - at_s)

    def rss_mib(self) -> float:
        """Return the resident memory of the process and of its children now."""
        return sum(each.memory_info().rss for each in self._family()) / MIB

    def _cpu_s(self) -> float:
        gone = (each.cpu_times() for each in self._family())
        return sum(each.children_user + each.children_system for each in gone) + sum(map(_living_s, self._family()))

    def _family(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]


def _living_s(process: psutil.Process) -> float:
    if sys.platform != "linux":
        used = process.cpu_times()
        return used.user + used.system
    return time.clock_gettime((~process.pid << 3) | _CPUCLOCK_SCHED)
