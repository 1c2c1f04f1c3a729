import signal
import subprocess
import sys

import msgspec
import pytest

from clankvox.conversion import convert

TWO_THREADS_LEARN_ONE_TYPE = """
import threading
from typing import Annotated

import msgspec
from clankvox.conversion import convert

class Slow:
    # asked for its hash while the type is learned, as every annotation is: there a thread gives way
    begun, over = threading.Event(), threading.Event()
    def __hash__(self):
        if threading.current_thread() is first:
            self.begun.set()
            self.over.wait(DEADLINE_S)
        return 1

first = None
slow = Slow()

class Outer(msgspec.Struct):
    number: int
    late: Annotated[int, slow] | None = None

def read(before=None):
    if before:
        before.wait()
    assert READ({"number": 1, "late": 2}, Outer) == Outer(1, 2)
    if before:
        slow.over.set()

first = threading.Thread(target=read)
second = threading.Thread(target=read, args=[slow.begun])
first.start()
second.start()
first.join()
second.join()
print("both have read it")
"""
"""The second may not be done before the first: then the first waits in vain, and for half a second only."""


def two_threads(read):
    program = TWO_THREADS_LEARN_ONE_TYPE.replace("READ", read).replace("DEADLINE_S", "0.5")
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)


def test_two_threads_may_read_a_type_that_nobody_has_read_before():
    done = two_threads("convert")
    assert (done.stdout, done.stderr, done.returncode) == ("both have read it\n", "", 0)


def test_msgspec_alone_still_crashes_then():
    """When this fails, a newer msgspec has mended it, and the module may go."""
    assert two_threads("msgspec.convert").returncode == -signal.SIGSEGV


class Point(msgspec.Struct):
    x: int
    y: int = 0


def test_it_reads_as_msgspec_does():
    assert [convert({"x": 1}, Point), convert({"x": 1, "y": 2}, Point)] == [Point(1), Point(1, 2)]
    assert convert({"x": "1"}, Point, strict=False) == Point(1)
    assert convert({"1": 2}, dict[int, int], str_keys=True) == {1: 2}
    for _ in range(2):
        with pytest.raises(msgspec.ValidationError, match="Expected `int`, got `str`"):
            convert({"x": "1"}, Point)
