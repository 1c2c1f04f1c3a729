import asyncio
import socket

import pytest

from clankvox.loopback.commands import Stats
from clankvox.loopback.options import Options
from clankvox.loopback.server import CannotListen, LoopbackServer


def test_a_failed_start_leaves_no_socket_open():
    async def run():
        with socket.create_server(("127.0.0.1", 0)) as taken:
            options = Options(tls=False, port=taken.getsockname()[1])
            with pytest.raises(CannotListen):
                async with LoopbackServer(options, lambda *_: None):
                    pass
        async with LoopbackServer(Options(tls=False), lambda *_: None) as server:
            return server.listening.udp_port, await server.carry_out(Stats())

    udp_port, stats = asyncio.run(run())
    assert stats["rooms"] == []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", udp_port))


def test_a_ca_file_that_cannot_be_written_is_a_refusal(tmp_path):
    async def run():
        async with LoopbackServer(Options(ca_file=tmp_path / "missing" / "ca.pem"), lambda *_: None):
            pass

    with pytest.raises(CannotListen):
        asyncio.run(run())
