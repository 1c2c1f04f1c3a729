"""An offline Discord inside another Python program, such as a test or the demo: it runs in a thread of its own."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from clankvox.errors import ClankvoxError
from clankvox.loopback.commands import command_from
from clankvox.loopback.options import Options
from clankvox.loopback.server import Listening, LoopbackServer

_START_S: Final = 15.0
_COMMAND_S: Final = 60.0

Happening = dict[str, Any]


class NotSeen(ClankvoxError):
    """What was waited for did not happen in time."""

    code = "not_seen"


class LoopbackDiscord:
    """A context: listens on entry, ends on exit. All methods are for any thread but its own."""

    def __init__(self, **options: Any) -> None:
        """Take the fields of `Options` as keywords: tls, tokens, dave, seed, ..."""
        self._options = Options(**options)
        self._happenings: list[Happening] = []
        self._changed = threading.Condition()
        self._started: threading.Event = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="loopback-discord", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(_START_S):
            raise NotSeen("the offline Discord did not start")
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def listening(self) -> Listening:
        """Endpoint, CA file and UDP port."""
        return self._server.listening

    @property
    def endpoint(self) -> str:
        """What a VOICE_SERVER_UPDATE would announce: host:port, or with ws:// before it."""
        return self._server.listening.endpoint

    @property
    def ca_file(self) -> Path | None:
        """The certificate to trust, None without TLS."""
        return self._server.listening.ca_file

    @property
    def happenings(self) -> list[Happening]:
        """Everything that has happened so far, oldest first."""
        with self._changed:
            return list(self._happenings)

    def command(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Carry out an order, such as {"type": "stats"}, and return its answer; InvalidRequest if it is refused."""
        carried_out = self._server.carry_out(command_from(fields))
        return asyncio.run_coroutine_threadsafe(carried_out, self._loop).result(_COMMAND_S)

    def stats(self, user_id: int | str, server_id: int | str | None = None) -> dict[str, Any]:
        """Return the counters of one user, who has to be there (on one server, if it matters)."""
        for client in self.command({"type": "stats"})["clients"]:
            there = server_id is None or client["serverId"] == str(server_id)
            if there and client["userId"] == str(user_id):
                return dict(client)
        raise NotSeen("no such user there")

    def add_stream(self, user_id: int | str, **fields: Any) -> dict[str, Any]:
        """Return what to put into `stream_watch_connect` or `stream_publish_connect`; see the order `add_stream`."""
        answer = self.command({"type": "add_stream", "userId": str(user_id), **fields})
        return {name: value for name, value in answer.items() if name not in ("type", "command")}

    def wait_for(self, predicate: Callable[[Happening], bool], timeout_s: float = 10.0, since: int = 0) -> Happening:
        """Return the first happening from index `since` on for which `predicate` is true; NotSeen after `timeout_s`."""
        position = since
        found: Happening | None = None

        def seen() -> bool:
            nonlocal position, found
            while position < len(self._happenings) and found is None:
                if predicate(self._happenings[position]):
                    found = self._happenings[position]
                position += 1
            return found is not None

        with self._changed:
            self._changed.wait_for(seen, timeout_s)
        if found is None:
            raise NotSeen("it did not happen in time")
        return found

    def _run(self) -> None:
        # a selector loop on every system: the SFU's socket is watched as a file descriptor
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._server = LoopbackServer(self._options, self._happened)
        try:
            async with self._server:
                self._started.set()
                await self._stop.wait()
        except BaseException as failure:
            self._failure = failure
            if self._started.is_set():
                raise
        finally:
            self._started.set()

    def _happened(self, kind: str, fields: dict[str, object]) -> None:
        with self._changed:
            self._happenings.append({"type": kind, **fields})
            self._changed.notify_all()
