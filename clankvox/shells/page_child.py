"""The child that runs yt-dlp: it ends with the process that started it. Run as `python -m`; imported for the name only.

Being tied to its parent is done here rather than between fork and exec, where a process with threads cannot safely run
Python. The signal is SIGKILL: there is nothing to tidy up, and nothing that yt-dlp brings along can ignore it. It
follows the *thread* that forked (prctl), which is the source's: that waits for this child as long as both live. The
page's URL comes in the environment: a command line is for all users of the machine to see.
"""

import os
import runpy
import signal
import sys
from typing import Final

from clankvox.shells.prctl import set_parent_death_signal

PAGE_URL: Final = "CLANKVOX_PAGE_URL"
"""Environment variable that names the page."""


def main() -> None:
    """Arguments: the parent's process id, then yt-dlp's own."""
    set_parent_death_signal(signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)  # it was gone before the signal was armed
    sys.argv[:] = ["yt-dlp", *sys.argv[2:], "--", os.environ.pop(PAGE_URL)]
    runpy.run_module("yt_dlp", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
