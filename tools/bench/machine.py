"""What kind of machine the figures are of; nothing that would name it."""

import os
import platform
import re
from pathlib import Path
from typing import Final

import psutil

_LOOK_S: Final = 1.0
"""The load average would tell of what we did ourselves a minute ago."""


def describe() -> dict[str, str]:
    """Return cores, class of the CPU, system, Python, and how much of all cores others use now; takes a second."""
    return {
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "cpu": _cpu(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "busy": f"{psutil.cpu_percent(_LOOK_S):.0f}",
    }


def sentence(machine: dict[str, str]) -> str:
    """Return it for people."""
    return f"{machine['cores']} cores, {machine['cpu']}, {machine['system']}, Python {machine['python']}"


def _cpu() -> str:
    try:
        told = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or "unknown CPU"
    found = re.search(r"^model name\s*:\s*(.+)$", told, re.MULTILINE)
    return re.sub(r"\s+", " ", found[1]).strip() if found else "unknown CPU"
