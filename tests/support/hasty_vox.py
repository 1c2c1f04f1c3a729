"""clankvox whose long waits are a tenth as long, as a program: what takes minutes outside is proven in seconds.

That they are as long as they should be is for the tests of the modules in which they stand.
"""
# ruff: noqa: PLC0415 - as in the product, what is heavy is imported behind `process_ready`

import gc
import sys
from pathlib import Path
from types import SimpleNamespace

from clankvox import __main__ as clankvox

COMMAND = (sys.executable, str(Path(__file__).resolve()))
HASTE = 10


def hurry() -> None:
    """Shorten the times of the watchdog, those between keepalives and requests for our address, and the move wait."""
    from clankvox.actors import media_link, voice
    from clankvox.protocol import discovery, watchdog

    media_link.KEEPALIVE_S /= HASTE
    media_link.LOOK_S /= HASTE
    watchdog._WINDOW_S /= HASTE
    watchdog._DEAF_S /= HASTE
    watchdog._STEP_S /= HASTE
    voice.MOVE_WAIT_S /= HASTE
    discovery.REPEAT_S /= HASTE


def main() -> int:
    """Be clankvox in a hurry."""

    def disable() -> None:
        gc.disable()
        hurry()

    clankvox.gc = SimpleNamespace(disable=disable)
    return clankvox.main()


if __name__ == "__main__":
    sys.exit(main())
