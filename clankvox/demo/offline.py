"""The offline Discord as a process of its own: JSON lines in and out."""

import itertools
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, Final, Self

import orjson

from clankvox.clock import SystemClock
from clankvox.demo.journal import Journal
from clankvox.errors import ClankvoxError

_START_S: Final = 15.0
_ANSWER_S: Final = 20.0
_END_S: Final = 2.0

Line = dict[str, Any]


class OrderRefused(ClankvoxError):
    """The offline Discord cannot do what it was asked."""

    code = "order_refused"


class OfflineDiscord:
    """A context: listens on entry, ends on exit. Any thread may give orders."""

    def __init__(self, args: Sequence[str] = ()) -> None:
        """Add `args` to `clankvox loopback`."""
        self._command = [sys.executable, "-m", "clankvox", "loopback", *args]
        self._clock = SystemClock()
        self._journal: Journal[Line] = Journal()
        self._ids = itertools.count(1)
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise OrderRefused("the offline Discord has no pipes")
        self._stdin: IO[bytes] = stdin
        self._reader = threading.Thread(target=self._read, args=(stdout,), name="offline-stdout", daemon=True)
        self._reader.start()
        try:
            _, self.listening = self._journal.wait_for(
                lambda line: line.get("type") == "listening", "listening", _START_S
            )
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def endpoint(self) -> str:
        """What a VOICE_SERVER_UPDATE announces."""
        return str(self.listening["endpoint"])

    @property
    def ca_file(self) -> Path | None:
        """The certificate to trust; None without TLS."""
        path = self.listening["caFile"]
        return None if path is None else Path(path)

    @property
    def happenings(self) -> list[Line]:
        """Every line so far, oldest first."""
        return self._journal.entries

    def order(self, fields: Line) -> Line:
        """Give an order and return its answer; OrderRefused if it is one, NotSeen without an answer."""
        number = next(self._ids)
        since = len(self._journal)
        try:
            with self._lock:
                self._stdin.write(orjson.dumps({**fields, "id": number}, option=orjson.OPT_APPEND_NEWLINE))
                self._stdin.flush()
        except (OSError, ValueError) as error:
            raise OrderRefused("the offline Discord is gone") from error
        what = f"the answer to {fields.get('type')}"
        _, answer = self._journal.wait_for(lambda line: line.get("id") == number, what, _ANSWER_S, since)
        if answer["type"] == "error":
            raise OrderRefused(str(answer["message"]))
        return answer

    def stats(self) -> Line:
        """Return rooms and counters; `offsetMs` added to its instants gives this process's monotonic clock in ms."""
        before_s = self._clock.now()
        answer = self.order({"type": "stats"})
        middle_s = (before_s + self._clock.now()) / 2
        return {**answer, "offsetMs": middle_s * 1000 - float(answer["nowMs"])}

    def wait_for(self, kind: str, *, timeout_s: float = 10.0, **fields: Any) -> Line:
        """Return the first happening of type `kind` whose `fields` match; else NotSeen."""
        wanted = {"type": kind, **fields}
        _, line = self._journal.wait_for(lambda line: wanted.items() <= line.items(), kind, timeout_s)
        return line

    def _end(self) -> None:
        with self._lock:
            self._stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(_END_S)

    def _read(self, stream: BinaryIO) -> None:
        with stream:
            for line in stream:
                self._journal.append(orjson.loads(line))
        self._journal.end()
