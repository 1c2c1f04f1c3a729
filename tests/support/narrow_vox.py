"""clankvox that keeps little for a parent who is slow to read, as a program: what fills up in 10 s does so at once.

That the lanes are as wide as they should be is for the tests of the modules in which they stand.
"""
# ruff: noqa: PLC0415 - as in the product, what is heavy is imported behind `process_ready`

import gc
import sys
from pathlib import Path
from types import SimpleNamespace

from clankvox import __main__ as clankvox

COMMAND = (sys.executable, str(Path(__file__).resolve()))
STREAM_MS = 200


def narrow() -> None:
    """Keep less captured PCM of each speaker."""
    from clankvox import audio_lane

    audio_lane.AUDIO_STREAM_MS = STREAM_MS


def main() -> int:
    """Be clankvox with little room."""

    def disable() -> None:
        gc.disable()
        narrow()

    clankvox.gc = SimpleNamespace(disable=disable)
    return clankvox.main()


if __name__ == "__main__":
    sys.exit(main())
