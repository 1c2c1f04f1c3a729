"""The kernel's own view (/proc) is the witness."""

import subprocess
import sys

import pytest

THREADS = 12
CROWD = """
import ctypes, sys, threading
from pathlib import Path
from clankvox.shells.allocator import give_back_memory

if sys.argv[1] == "bounded":
    assert give_back_memory()
malloc = ctypes.CDLL(None).malloc
malloc.restype = ctypes.c_void_p
together = threading.Barrier(int(sys.argv[2]))

def work():
    together.wait()
    malloc(1_000)
    together.wait()

threads = [threading.Thread(target=work) for _ in range(together.parties)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
starts = [line.split("-")[0] for line in Path("/proc/self/maps").read_text().splitlines() if " rw-p " in line]
print(sum(int(start, 16) % (64 << 20) == 0 for start in starts))
"""
"""Prints how many arenas there are beside the heap: each begins at a multiple of 64 MiB (glibc, 64 bits)."""


def arenas(mode):
    command = [sys.executable, "-c", CROWD, mode, str(THREADS)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's malloc")
def test_many_threads_share_two_arenas():
    assert arenas("unbounded") > 1
    assert arenas("bounded") <= 1


HOLES = """
import ctypes
from clankvox.shells.allocator import give_back_freed

def resident_kib():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

pieces = [bytes(20_000) for _ in range(2_000)]
del pieces[::2]  # 20 MB are kept, and 20 MB lie free among them
full = resident_kib()
assert give_back_freed()
print(full - resident_kib())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's malloc")
def test_pages_that_lie_free_between_what_lives_are_given_back():
    command = [sys.executable, "-c", HOLES]
    assert int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout) > 10_000
