"""Whoever logs never waits for whoever reads the logs."""

import contextlib
import os
import threading

import pytest

from clankvox.shells.log_writer import LINES, QUEUE_BYTES, LogWriter

DEADLINE_S = 10.0


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    yield reader, writer
    os.close(writer)


def read_all(reader, wanted):
    found = b""
    while not found.endswith(wanted):
        found += os.read(reader, 1 << 16)
    os.close(reader)
    return found


def test_lines_come_out_whole_and_in_order(pipe):
    reader, fd = pipe
    writer = LogWriter(fd)
    writer.write("before the start\n")
    writer.start()
    for number in range(100):
        writer.write(f"line {number}\n")
    assert writer.drain(DEADLINE_S)
    assert read_all(reader, b"line 99\n").splitlines() == [b"before the start", *(b"line %d" % n for n in range(100))]


def test_a_pipe_that_nobody_reads_stops_nobody_and_what_was_dropped_is_told(pipe):
    reader, fd = pipe
    writer = LogWriter(fd)
    writer.start()
    written = [writer.write("x" * 99 + "\n") for _ in range(3 * LINES)]
    assert 0 in written
    assert not writer.drain(0.0)
    assert writer.write("too late\n") == 0
    thread = threading.Thread(target=lambda: found.append(read_all(reader, b"\n")))
    found = []
    thread.start()
    assert writer.drain(DEADLINE_S)
    thread.join(DEADLINE_S)
    assert found


def test_a_pipe_that_somebody_else_made_non_blocking_is_waited_for_and_not_given_up(pipe):
    """Whoever shares stderr with us says so for all of us."""
    reader, fd = pipe
    os.set_blocking(fd, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(fd, bytes(1 << 12))
    writer = LogWriter(fd)
    writer.start()
    writer.write("late\n")
    assert not writer.drain(0.05), "nobody reads"
    assert read_all(reader, b"late\n").lstrip(b"\0") == b"late\n"
    assert writer.drain(DEADLINE_S)


def test_how_many_lines_were_dropped_stands_where_they_are_missing(pipe):
    reader, fd = pipe
    writer = LogWriter(fd)
    for _ in range(LINES + 7):
        writer.write("line\n")
    writer._lines.popleft()
    writer._lines.popleft()
    writer.write("next\n")
    writer.start()
    assert writer.drain(DEADLINE_S)
    assert read_all(reader, b"next\n").splitlines()[-2:] == [b"7 log lines dropped", b"next"]


def test_long_lines_are_bounded_by_their_bytes(pipe):
    reader, fd = pipe
    writer = LogWriter(fd)
    line = "x" * (QUEUE_BYTES // 4) + "\n"
    assert [bool(writer.write(line)) for _ in range(6)] == [True, True, True, False, False, False]
    os.close(reader)


def test_a_reader_that_is_gone_ends_the_thread_and_not_the_process(pipe):
    reader, fd = pipe
    os.close(reader)
    writer = LogWriter(fd)
    writer.start()
    writer.write("to nobody\n")
    writer._thread.join(DEADLINE_S)
    assert not writer._thread.is_alive()
    assert writer.write("to nobody\n") == 0
    assert writer.drain(0.0)
