"""`clankvox loopback`: runs the offline Discord until stdin ends."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Final

from clankvox.errors import WireError
from clankvox.loopback.commands import ORDERS
from clankvox.loopback.console import Console, LineWriter
from clankvox.loopback.options import DEFAULT_HEARTBEAT_INTERVAL_MS, Options, VideoPolicy
from clankvox.loopback.server import CannotListen, LoopbackServer
from clankvox.wire.gateway_ops import snowflake

_CANNOT_LISTEN: Final = 69
"""EX_UNAVAILABLE of sysexits.h."""
_MAX_PORT: Final = 65_535


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code. Blocks the main thread."""
    arguments = _parser().parse_args(argv)
    writer = LineWriter(FileIO(sys.stdout.fileno(), "wb", closefd=False))
    try:
        # a selector loop on every system: the SFU's socket is watched as a file descriptor
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(_serve(_options(arguments), writer, forever=arguments.serve_forever))
    except CannotListen as failure:
        writer.write({"type": "error", "code": failure.code, "message": str(failure)})
        return _CANNOT_LISTEN
    except KeyboardInterrupt:
        return 0
    finally:
        writer.close()
    return 0


async def _serve(options: Options, writer: LineWriter, *, forever: bool) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt instead
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with LoopbackServer(options, writer.happen) as server:
        writer.write(server.listening.to_json())
        console = asyncio.create_task(Console(server, writer).run(FileIO(sys.stdin.fileno(), "rb", closefd=False)))
        if not forever:
            console.add_done_callback(lambda _: stopped.set())
        await stopped.wait()
        console.cancel()
        with suppress(asyncio.CancelledError):
            await console


def _options(arguments: argparse.Namespace) -> Options:
    return Options(
        host=arguments.host,
        port=arguments.port,
        udp_port=arguments.udp_port,
        tls=not arguments.no_tls,
        ca_file=arguments.ca_file,
        tokens=frozenset(arguments.token),
        dave=not arguments.no_dave,
        require_dave=arguments.require_dave,
        seed=arguments.seed,
        heartbeat_interval_ms=arguments.heartbeat_interval_ms,
        resume_window_s=arguments.resume_window_ms / 1000,
        nat_forget_s=None if arguments.nat_forget_ms is None else arguments.nat_forget_ms / 1000,
        channels=dict(arguments.channel),
        video=VideoPolicy(pli=not arguments.no_pli, nack=not arguments.no_nack, stap_a=arguments.stap_a),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="clankvox loopback",
        description="An offline Discord: voice gateway, media server and DAVE delivery service on this machine. "
        "Takes orders as JSON lines on stdin, reports happenings as JSON lines on stdout, ends with stdin.",
        epilog="orders: " + ", ".join(ORDERS) + "; docs/loopback.md says what each takes",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add("--port", type=_port, default=0, help="TCP port of the gateway (any free one)")
    add("--udp-port", type=_port, default=0, help="UDP port of the media server (any free one)")
    add("--no-tls", action="store_true", help="plain ws:// instead of wss://")
    add("--ca-file", type=Path, help="where to write the certificate to trust (a temporary file)")
    add("--token", action="append", default=[], help="accept only this token; may be repeated (any token)")
    add("--no-dave", action="store_true", help="never encrypt end to end")
    add("--require-dave", action="store_true", help="refuse clients without DAVE (close code 4017)")
    add("--seed", type=int, default=0, help="seed of everything random but keys (%(default)s)")
    add("--heartbeat-interval-ms", type=_positive, default=DEFAULT_HEARTBEAT_INTERVAL_MS, help="(%(default)s)")
    add("--resume-window-ms", type=_positive, default=15_000, help="how long a lost session waits (%(default)s)")
    add("--nat-forget-ms", type=_positive, help="how long clients may be silent before their NAT forgets them (never)")
    add(
        "--channel",
        action="append",
        default=[],
        type=_channel,
        metavar="SERVER=CHANNEL",
        help="channel of a server for version 8 clients, which do not tell it (the server id)",
    )
    add("--no-pli", action="store_true", help="let no request for a key frame reach the sender of a video")
    add("--no-nack", action="store_true", help="answer no NACK, leave them all to the sender of a video")
    add("--stap-a", action="store_true", help="pack small NAL units of H264 together")
    add("--serve-forever", action="store_true", help="go on when stdin ends")
    return parser


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= _MAX_PORT:
        raise argparse.ArgumentTypeError("not a port")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("has to be positive")
    return number


def _channel(text: str) -> tuple[int, int]:
    server_id, _, channel_id = text.partition("=")
    try:
        return snowflake(server_id), snowflake(channel_id)
    except WireError as error:
        raise argparse.ArgumentTypeError("not SERVER=CHANNEL") from error
