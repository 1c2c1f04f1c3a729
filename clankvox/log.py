"""Logs go to stderr only: text lines on a terminal, JSON lines elsewhere. Never tokens, keys, sessions or PCM.

Messages are static and values stand in `extra={"fields": {...}}`, so that nobody interpolates a secret by accident;
what still looks like one (a URL's query, a long base64 run) is redacted here.
"""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, Final

LEVELS: Final = ("error", "warning", "info", "debug")
_URL: Final = re.compile(r"\b(?:https?|wss?)://\S+", re.IGNORECASE)
_LONG_TOKEN: Final = re.compile(r"[A-Za-z0-9_\-+/.]{48,}={0,2}")


def redact(text: str) -> str:
    """Replace URLs and whatever is long enough to be a credential."""
    return _LONG_TOKEN.sub("[redacted]", _URL.sub("[redacted-url]", text))


class TextFormatter(logging.Formatter):
    """One line a record, for people."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        fields = " ".join(f"{key}={value}" for key, value in _fields(record).items())
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
        fields = {key: redact(value) if isinstance(value, str) else value for key, value in _fields(record).items()}
        if fields:
            entry["fields"] = fields
        trace = _traceback(self, record)
        if trace:
            entry["traceback"] = trace.strip()
        return json.dumps(entry, default=str)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = getattr(record, "fields", None)
    return fields if isinstance(fields, dict) else {}


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """Where it was raised, without the exception's own text: that may quote what it was given."""
    if not record.exc_info or record.exc_info[0] is None:
        return ""
    lines = formatter.formatException(record.exc_info).splitlines()
    return "\n" + "\n".join(line for line in lines if line.startswith("  File ")) + f"\n{record.exc_info[0].__name__}"


def set_up(level: str, log_format: str) -> None:
    """Send everything at `level` and above to stderr as `log_format`: text, json, or auto."""
    text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextFormatter() if text else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("clankvox").setLevel(level.upper())
    # pykka logs a traceback of its own with each failure; ours says the same without the exception's text
    logging.getLogger("pykka").setLevel(logging.CRITICAL)
    logging.raiseExceptions = False
