"""Logs go to stderr only: text lines on a terminal, JSON lines elsewhere. Never tokens, keys, sessions or PCM.

Messages are static and values stand in `extra={"fields": {...}}`, so that nobody interpolates a secret by accident;
what still looks like one (a URL, a long base64 run, a field that is named like a secret) is redacted here. An event
(logger, level, message) that repeats is thinned: RATE_BURST lines in RATE_WINDOW_S. How many were left out is said
behind the next line of any event, or at the end of the process. Debug is not thinned: whoever asks for it wants all.
"""

import json
import logging
import math
import re
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any, Final, Protocol

LEVELS: Final = ("error", "warning", "info", "debug")
RATE_BURST: Final = 20
RATE_WINDOW_S: Final = 10.0
RATE_EVENTS: Final = 512
"""Different events that are kept count of; the one that is seen for the longest time is forgotten first."""

_URL: Final = re.compile(r"\b[a-z][a-z0-9+.\-]*://\S+", re.IGNORECASE)
_QUERY: Final = re.compile(r"\?[^\s?=]+=\S+")
"""Of a URL without its scheme."""
_LONG_TOKEN: Final = re.compile(r"(?=[a-z_\-+/.]*[A-Z0-9])[A-Za-z0-9_\-+/.]{40,}={0,2}")
"""32 bytes in base64 have 43 characters; a long name in snake_case is none."""
_UUID: Final = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
_HEX_TOKEN: Final = re.compile(r"\b(?=\d*[a-f])(?=[a-f]*\d)[0-9a-f]{16,}\b", re.IGNORECASE)
"""What Discord's voice tokens and session ids look like; a run of digits alone is a snowflake."""
_SECRET_WORDS: Final = frozenset(
    ("authorization", "cookie", "credentials", "endpoint", "key", "password", "secret", "session", "token", "url")
)
"""Of a field's name, as snake_case and camelCase make words of it."""
_EXACT: Final = 1 << 53
"""Larger integers, such as snowflakes, lose digits where JSON numbers are floats; so they are texts."""
_WORD: Final = re.compile(r"[A-Za-z][a-z]*")
_REDACTED: Final = "[redacted]"


class Stream(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> object:
        """Take one line with its newline."""
        ...

    def flush(self) -> object:
        """Pass on what was taken."""
        ...


def redact(text: str) -> str:
    """Replace URLs and whatever has the length or the look of a credential."""
    text = _QUERY.sub("?" + _REDACTED, _URL.sub("[redacted-url]", text))
    for credential in (_UUID, _LONG_TOKEN, _HEX_TOKEN):
        text = credential.sub(_REDACTED, text)
    return text


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the values of `record` as JSON has them (numbers, booleans, null and texts), redacted."""
    fields = getattr(record, "fields", None)
    if not isinstance(fields, dict):
        return {}
    return {redact(str(key)): _shown(str(key), value) for key, value in fields.items()}


def _shown(key: str, value: Any) -> Any:
    if not _SECRET_WORDS.isdisjoint(word.lower() for word in _WORD.findall(key)):
        return _REDACTED
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _EXACT else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if isinstance(value, Mapping):
        return str({redact(str(inner)): _shown(str(inner), each) for inner, each in value.items()})
    if isinstance(value, list | tuple | set | frozenset):
        return str([_shown(key, each) for each in value])
    return redact(str(value))


_Event = tuple[str, int, str]
"""Target, level, message."""


class RateLimit:
    """Thins records by event. Not thread-safe: a handler asks under its own lock. Reads the time from the record."""

    def __init__(self) -> None:
        self._windows: dict[_Event, list[float]] = {}  # begin, records taken, records left out
        self._thinned: dict[_Event, None] = {}
        """Those of which records were left out and nobody has been told."""

    def admit(self, record: logging.LogRecord) -> int | None:
        """Return how many records of this event were left out since the last one, or None to leave out this one too."""
        if record.levelno < logging.INFO:
            return 0
        event = (record.name, record.levelno, str(record.msg))
        window = self._windows.get(event)
        if window is None:
            if len(self._windows) >= RATE_EVENTS:
                oldest = next(iter(self._windows))
                del self._windows[oldest]
                self._thinned.pop(oldest, None)
            window = self._windows[event] = [record.created, 0, 0]
        left_out = 0
        if not 0 <= record.created - window[0] < RATE_WINDOW_S:  # a wall clock may go back
            left_out = int(window[2])
            window[:] = [record.created, 0, 0]
            self._thinned.pop(event, None)
        if window[1] >= RATE_BURST:
            window[2] += 1
            self._thinned[event] = None
            return None
        window[1] += 1
        return left_out

    def over(self, now: float = math.inf) -> list[tuple[str, str, int]]:
        """Return target and message of all whose window is over (without `now` of all), and how many were left out."""
        ended = [event for event in self._thinned if not 0 <= now - self._windows[event][0] < RATE_WINDOW_S]
        told = []
        for event in ended:
            del self._thinned[event]
            window = self._windows[event]
            told.append((event[0], event[2], int(window[2])))
            window[2] = 0
        return told


class TextFormatter(logging.Formatter):
    """One line a record, for people."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        fields = " ".join(f"{key}={value}" for key, value in fields_of(record).items())
        line = f"{record.levelname.lower():7} {record.name}: {record.getMessage()} {fields}".rstrip()
        return redact(line) + _traceback(self, record)


class JsonFormatter(logging.Formatter):
    """One JSON object a line, for collectors."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "target": record.name,
            "message": redact(record.getMessage()),
        }
        fields = fields_of(record)
        if fields:
            entry["fields"] = fields
        trace = _traceback(self, record)
        if trace:
            entry["traceback"] = trace.strip()
        return json.dumps(entry)


class ThinnedHandler(logging.StreamHandler[Any]):
    """Writes what its rate limit admits."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        self._limit = RateLimit()

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler; the handler's lock is held."""
        left_out = self._limit.admit(record)
        if left_out is None:
            return
        super().emit(record)
        if left_out:
            super().emit(_remark(record.name, str(record.msg), left_out))
        self._tell(self._limit.over(record.created))

    def tell_rest(self) -> None:
        """Say what was left out and not told yet: nothing more will come."""
        with self.lock or nullcontext():
            self._tell(self._limit.over())

    def _tell(self, left_out: list[tuple[str, str, int]]) -> None:
        for each in left_out:
            super().emit(_remark(*each))


def tell_rest() -> None:
    """Say at the end of the process how many records were left out of events that did not come again. Any thread."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, ThinnedHandler):
            handler.tell_rest()


def _remark(target: str, event: str, left_out: int) -> logging.LogRecord:
    remark = logging.LogRecord("clankvox.log", logging.WARNING, "", 0, "records left out", (), None)
    remark.fields = {"target": target, "event": event, "count": left_out}  # as `extra` would set it
    return remark


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """Where it was raised, without the exception's own text: that may quote what it was given."""
    if not record.exc_info or record.exc_info[0] is None:
        return ""
    lines = formatter.formatException(record.exc_info).splitlines()
    return "\n" + "\n".join(line for line in lines if line.startswith("  File ")) + f"\n{record.exc_info[0].__name__}"


def set_up(level: str, log_format: str, stream: Stream | None = None) -> None:
    """Send everything at `level` and above to `stream` (stderr) as `log_format`: text, json, or auto."""
    text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    handler = ThinnedHandler(stream or sys.stderr)
    handler.setFormatter(TextFormatter() if text else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("clankvox").setLevel(level.upper())
    # pykka logs a traceback of its own with each failure; ours says the same without the exception's text
    logging.getLogger("pykka").setLevel(logging.CRITICAL)
    logging.raiseExceptions = False
