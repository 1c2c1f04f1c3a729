"""The offline Discord itself: binds its sockets, and runs until it is stopped."""

import asyncio
import socket
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from websockets.asyncio.server import ServerConnection, serve

from clankvox.clock import SystemClock
from clankvox.errors import ClankvoxError
from clankvox.loopback.certificate import make_authority, server_context
from clankvox.loopback.commands import AnyCommand
from clankvox.loopback.control import Answer, Control
from clankvox.loopback.gateway import Conversation
from clankvox.loopback.media_socket import MediaSocket
from clankvox.loopback.options import Options
from clankvox.loopback.participant import Emit
from clankvox.loopback.registry import Registry
from clankvox.loopback.rehearsal import Stage
from clankvox.loopback.sfu import Sfu

_TICK_S: Final = 0.1
_CLOSE_TIMEOUT_S: Final = 1.0
_HANDSHAKE_TIMEOUT_S: Final = 10.0


class CannotListen(ClankvoxError):
    """A port is taken, or a file cannot be written."""

    code = "cannot_listen"


class Listening(NamedTuple):
    """Where clients find the server; `ca_file` is None without TLS."""

    endpoint: str
    tls: bool
    ca_file: Path | None
    udp_port: int

    def to_json(self) -> dict[str, object]:
        """Return the first line that the command prints."""
        return {
            "type": "listening",
            "endpoint": self.endpoint,
            "tls": self.tls,
            "caFile": None if self.ca_file is None else str(self.ca_file),
            "udpPort": self.udp_port,
        }


class LoopbackServer:
    """An async context: listens on entry, closes everything on exit. All of it runs on one event loop."""

    listening: Listening

    def __init__(self, options: Options, emit: Emit) -> None:
        """Report happenings to `emit`, on the event loop."""
        self._options = options
        self._emit = emit
        self._clock = SystemClock()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except OSError as error:
            await self._stack.aclose()
            raise CannotListen(f"cannot listen: {error.strerror or error}") from error
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def carry_out(self, command: AnyCommand) -> Answer:
        """Carry out an order; InvalidRequest if it cannot be done."""
        return await self._control.carry_out(command)

    async def _start(self) -> None:
        options, loop = self._options, asyncio.get_running_loop()
        self._media = MediaSocket(options.host, options.udp_port)
        self._stack.callback(self._media.close)
        stage = Stage(self._media.send, self._clock)
        self._stack.callback(stage.close)
        sfu = Sfu(stage.send, loop.call_at, self._clock, options.video)
        loop.add_reader(self._media.fileno(), self._media.drain, sfu.receive)
        self._stack.callback(loop.remove_reader, self._media.fileno())
        self._registry = Registry(options, sfu, self._media.port, self._emit, self._clock)
        self._control = Control(self._registry, stage, self._clock, self._emit, options.seed)
        self._stack.push_async_callback(self._control.end)
        self.listening = await self._listen()
        self._control.endpoint = self.listening.endpoint
        ticker = asyncio.create_task(self._tick())
        self._stack.callback(ticker.cancel)

    async def _listen(self) -> Listening:
        options = self._options
        ca_file = context = None
        if options.tls:
            authority = make_authority()
            context = server_context(authority, options.host)
            ca_file = self._ca_path()
            ca_file.write_bytes(authority.pem)
        # resolved here, for a name with two addresses would give two ports
        family, _, _, _, address = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM)[0]
        server = await serve(
            self._converse,
            str(address[0]),
            options.port,
            family=family,
            ssl=context,
            compression=None,
            ping_interval=None,
            close_timeout=_CLOSE_TIMEOUT_S,
            open_timeout=_HANDSHAKE_TIMEOUT_S,
        )
        await self._stack.enter_async_context(server)
        port = next(iter(server.sockets)).getsockname()[1]
        host = f"[{options.host}]" if ":" in options.host else options.host
        endpoint = f"{host}:{port}" if options.tls else f"ws://{host}:{port}"
        return Listening(endpoint, options.tls, ca_file, self._media.port)

    def _ca_path(self) -> Path:
        if self._options.ca_file is not None:
            return self._options.ca_file.absolute()
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="clankvox-loopback-"))
        return Path(folder) / "ca.pem"

    async def _converse(self, websocket: ServerConnection) -> None:
        await Conversation(websocket, self._registry, self._clock, self._options.heartbeat_interval_ms).run()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self._registry.tick(self._clock.now())
