"""A parent that can be killed: a process between us and clankvox."""

import sys
from collections.abc import Sequence

RELAY = """
import os, subprocess, sys, threading
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def copy(source, target):
    while data := os.read(source, 65536):
        while data:
            data = data[os.write(target, data):]
    os.close(target)
threading.Thread(target=copy, args=(0, child.stdin.fileno()), daemon=True).start()
copy(child.stdout.fileno(), 1)
sys.exit(child.wait())
"""


def behind_a_parent(command: Sequence[str]) -> list[str]:
    """Return the command of a process that owns both pipes of `command`, copies what is in them, and can be killed."""
    return [sys.executable, "-c", RELAY, *command]
