"""A child that plays clankvox: it writes given bytes and frames, and says what it read on stdin."""

import struct
import sys
from collections.abc import Sequence

import orjson

PROLOGUE = """
import os, sys
out = os.fdopen(os.dup(1), "wb", buffering=0)
def line(): return sys.stdin.buffer.readline()
"""


def event(**fields: object) -> bytes:
    payload = orjson.dumps(fields)
    return struct.pack("<BI", 0, len(payload)) + payload


def audio(user_id: int, pcm: bytes, capture_id: str | None = None, peak: int = 7, active: int = 1) -> bytes:
    label = b"" if capture_id is None else struct.pack("<H", len(capture_id.encode())) + capture_id.encode()
    payload = struct.pack("<QHII", user_id, peak, active, len(pcm) // 2) + label + pcm
    return struct.pack("<BI", 1, len(payload)) + payload


READY = event(type="process_ready", protocolVersion=1)


def child(*steps: str | bytes) -> Sequence[str]:
    """Return the command of a child: bytes are written, text is Python that it runs."""
    body = [f"out.write({step!r})" if isinstance(step, bytes) else step for step in steps]
    return [sys.executable, "-I", "-c", "\n".join([PROLOGUE, *body])]
