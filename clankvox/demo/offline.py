"""The offline Discord as a process of its own: JSON lines in and out."""

import contextlib
import itertools
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, Final, Self

import orjson

from clankvox.clock import SystemClock
from clankvox.demo.journal import Journal, NotSeen
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

    def __init__(self, args: Sequence[str] = (), journal: Journal[Line] | None = None) -> None:
        """Add `args` to `clankvox loopback`. A `journal` of the caller's own may forget what nobody asks for."""
        self._command = [sys.executable, "-m", "clankvox", "loopback", *args]
        self._clock = SystemClock()
        self._journal: Journal[Line] = Journal() if journal is None else journal
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._answers: dict[int, Future[Line]] = {}
        """To orders that wait for theirs, by number. Thousands of them a call: nobody reads one twice."""

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
        """Every line so far that is no answer, oldest first."""
        return self._journal.entries

    def order(self, fields: Line) -> Line:
        """Give an order and return its answer; OrderRefused if it is one, NotSeen without an answer."""
        answered = self._ask(fields)
        try:
            answer = answered.result(_ANSWER_S)
        except TimeoutError:
            raise NotSeen(f"the answer to {fields.get('type')}: not within {_ANSWER_S:g} s") from None
        if answer["type"] == "error":
            raise OrderRefused(str(answer["message"]))
        return answer

    def _ask(self, fields: Line) -> Future[Line]:
        number, answered = next(self._ids), Future[Line]()
        try:
            with self._lock:
                self._answers[number] = answered
                self._stdin.write(orjson.dumps({**fields, "id": number}, option=orjson.OPT_APPEND_NEWLINE))
                self._stdin.flush()
        except (OSError, ValueError) as error:
            self._answers.pop(number, None)
            raise OrderRefused("the offline Discord is gone") from error
        return answered

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
            for text in stream:
                line = orjson.loads(text)
                answered = self._answers.pop(line.get("id"), None)
                if answered is None:
                    self._journal.append(line)
                else:
                    answered.set_result(line)
        self._journal.end()
        with self._lock:
            with contextlib.suppress(OSError):
                self._stdin.close()  # no order is taken from here on: it would wait in vain
            for answered in list(self._answers.values()):
                answered.set_exception(NotSeen("an answer: the process ended before"))
