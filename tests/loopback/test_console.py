import asyncio
import json
import os
from io import FileIO

import pytest

from clankvox.errors import InvalidRequest
from clankvox.loopback.console import Console, LineWriter


class EchoServer:
    """Stands in for the server: answers each order by its own type."""

    async def carry_out(self, command):
        if command.id == "refuse":
            raise InvalidRequest("refused")
        return {"type": "ok", "command": type(command).__name__}


@pytest.fixture
def pipe():
    read, write = os.pipe()
    with FileIO(read, "rb") as reader, FileIO(write, "wb") as writer:
        yield reader, writer


def answers(chunks):
    """What the console answers when stdin delivers `chunks` and ends."""
    written = []

    class Collector:
        write = staticmethod(written.append)

    async def run():
        read, write = os.pipe()
        console = asyncio.create_task(Console(EchoServer(), Collector()).run(FileIO(read, "rb")))
        with FileIO(write, "wb") as writer:
            for chunk in chunks:
                await asyncio.to_thread(_write_all, writer, chunk)
        await asyncio.wait_for(console, 10)

    asyncio.run(run())
    return [answer.get("command") or answer["code"] for answer in written]


def _write_all(writer, data):
    while data:
        data = data[writer.write(data) :]


def test_lines_are_found_however_they_are_cut():
    assert answers([b'{"type":"st', b'ats"}\n{"type":"upgrade"}\n\n  \n{"type":', b'"downgrade"}\n']) == [
        "Stats",
        "Upgrade",
        "Downgrade",
    ]


def test_the_last_line_needs_no_end():
    assert answers([b'{"type":"stats"}']) == ["Stats"]


def test_an_endless_line_is_refused_once_and_the_next_one_works():
    assert answers([b"x" * 3_000_000 + b'\n{"type":"stats"}\n']) == ["invalid_request", "Stats"]


def test_a_refusal_names_the_order():
    assert answers([b'{"type":"stats","id":"refuse"}\n']) == ["stats"]


def test_happenings_are_written_as_lines(pipe):
    reader, writer = pipe
    lines = LineWriter(writer)
    lines.happen("joined", {"userId": "1"})
    lines.close()
    assert json.loads(reader.read(4096)) == {"type": "joined", "userId": "1"}


def test_a_reader_that_is_behind_loses_the_newest_lines_and_is_told(pipe):
    reader, writer = pipe
    lines = LineWriter(writer)
    for number in range(30_000):
        lines.write({"number": number, "filler": "x" * 100})
    seen = []
    tail = b""
    while not seen or seen[-1]["number"] >= 0:
        *complete, tail = (tail + reader.read(1 << 20)).split(b"\n")
        seen += map(json.loads, complete)
        if complete:
            lines.write({"number": -1})
    lines.close()
    expected = 0
    for line in seen:
        expected += line.get("linesDropped", 0)
        assert line["number"] in (expected, -1)
        expected += 1
    assert expected > 30_000
    assert any("linesDropped" in line for line in seen)


def test_a_reader_that_is_gone_does_no_harm():
    read, write = os.pipe()
    os.close(read)
    with FileIO(write, "wb") as stream:
        lines = LineWriter(stream)
        for _ in range(10):
            lines.write({"type": "x"})
        lines.close()
