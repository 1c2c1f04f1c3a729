"""Orders on stdin and happenings on stdout, a JSON line each. Neither ever holds up the media.

The streams are unbuffered ones: a thread that is blocked in a buffered one would make the interpreter abort at its end.
"""

import asyncio
import queue
import threading
from io import RawIOBase
from typing import Final

import orjson

from clankvox.errors import ClankvoxError, InvalidRequest
from clankvox.loopback.commands import decode_command
from clankvox.loopback.server import LoopbackServer

_MAX_LINE_BYTES: Final = 1 << 20
_BLOCK_BYTES: Final = 1 << 16
_MAX_QUEUED: Final = 10_000
_FLUSH_S: Final = 1.0


class LineWriter:
    """Writes JSON lines from a thread of its own; when the reader is far behind, the newest lines are dropped."""

    def __init__(self, stream: RawIOBase) -> None:
        """Write to `stream`."""
        self._stream = stream
        self._lines: queue.Queue[bytes | None] = queue.Queue(_MAX_QUEUED)
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="loopback-stdout", daemon=True)
        self._thread.start()

    def write(self, fields: dict[str, object]) -> None:
        """Queue one line. Any thread."""
        if self._dropped:
            fields = {**fields, "linesDropped": self._dropped}
        try:
            self._lines.put_nowait(orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE))
            self._dropped = 0
        except queue.Full:
            self._dropped += 1

    def happen(self, kind: str, fields: dict[str, object]) -> None:
        """Queue a happening."""
        self.write({"type": kind, **fields})

    def close(self) -> None:
        """Write what is queued, if the reader takes it."""
        try:
            self._lines.put(None, timeout=_FLUSH_S)
        except queue.Full:
            return
        self._thread.join(_FLUSH_S)

    def _run(self) -> None:
        try:
            while (line := self._lines.get()) is not None:
                while line:
                    line = line[self._stream.write(line) or 0 :]
        except (OSError, ValueError):  # the reader is gone; happenings have nowhere to go
            return


class Console:
    """Carries out the lines of a stream, one after the other, until it ends."""

    def __init__(self, server: LoopbackServer, writer: LineWriter) -> None:
        """Answer through `writer`. Make it on the event loop."""
        self._server = server
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def run(self, stream: RawIOBase) -> None:
        """Return at the end of `stream`."""
        threading.Thread(target=self._read, args=(stream,), name="loopback-stdin", daemon=True).start()
        while (line := await self._lines.get()) is not None:
            if line.strip():
                self._writer.write(await self._answer(line))

    async def _answer(self, line: bytes) -> dict[str, object]:
        try:
            if len(line) > _MAX_LINE_BYTES:
                raise InvalidRequest("line too long")
            return await self._server.carry_out(decode_command(line))
        except ClankvoxError as error:
            return {"type": "error", "code": error.code, "message": str(error), **_identity(line)}

    def _read(self, stream: RawIOBase) -> None:
        """Split what comes into lines; of a line that is too long only the beginning is kept."""
        line = bytearray()
        try:
            while block := stream.read(_BLOCK_BYTES):
                *ends, rest = block.split(b"\n")
                for end in ends:
                    self._hand_over(bytes(line + end))
                    line.clear()
                line += rest[: _MAX_LINE_BYTES + 1 - len(line)]
        except (OSError, ValueError):
            pass
        self._hand_over(bytes(line))
        self._hand_over(None)

    def _hand_over(self, line: bytes | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._lines.put_nowait, line)
        except RuntimeError:  # the loop has ended meanwhile
            return


def _identity(line: bytes) -> dict[str, object]:
    """Return type and id of a refused order as far as they can be read."""
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(fields, dict):
        return {}
    found = {"command": fields.get("type"), "id": fields.get("id")}
    return {name: value for name, value in found.items() if isinstance(value, (str, int))}
