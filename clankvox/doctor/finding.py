"""What a check found."""

from enum import StrEnum
from typing import NamedTuple


class Verdict(StrEnum):
    """How a check ended; only FAILED makes the exit code 1."""

    OK = "ok"
    WARNING = "warning"
    """Works, and less well than it might."""
    SKIPPED = "skipped"
    FAILED = "failed"


class Finding(NamedTuple):
    """One line of the report. `detail` names no host, user, path or address of this machine."""

    name: str
    verdict: Verdict
    detail: str
    seconds: float
    advice: str = ""
    """What to do about it; nothing where all is well."""


class _Found(Exception):
    def __init__(self, detail: str, advice: str = "") -> None:
        """Without `advice` that of the check counts."""
        super().__init__(detail)
        self.advice = advice


class Wrong(_Found):
    """A check found something else than it must; its text is the detail."""


class Doubtful(_Found):
    """A check found something that works, and that an operator should know of."""


class Skipped(_Found):
    """A check was not asked for, or does not apply here."""
