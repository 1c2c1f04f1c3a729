"""The end of the process that started this one is noticed without its pipes."""

import os
import subprocess
import sys
from unittest.mock import Mock

import pytest

from clankvox.shells import parent

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="pidfd")

CHILD = """
import fcntl, os, resource
from clankvox.shells.parent import ParentWatch, open_parent
resource.setrlimit(resource.RLIMIT_NOFILE, (2_048, 2_048))
number = fcntl.fcntl(open_parent(), fcntl.F_DUPFD, 1_500)  # as in a process that has inherited a great many
watch = ParentWatch(number, lambda: os.write(1, b"gone"))
watch.start()
os.write(1, b"up")
watch.join()
"""
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}])
sys.stdin.read()
"""


def test_the_end_of_the_parent_is_told_once_and_only_then():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.read(2) == b"up"
        process.kill()
        assert process.stdout.read() == b"gone"  # both ends of its stdout are closed: the child has ended too


@pytest.mark.parametrize("failure", [OSError("no such call"), AttributeError("no Linux")])
def test_where_there_is_no_such_descriptor_there_is_nothing_to_watch(monkeypatch, failure):
    monkeypatch.setattr(os, "pidfd_open", Mock(side_effect=failure))
    assert parent.open_parent() is None
