"""The group of dave_group.py once more, with a member of libdave, Discord's own library, where it is installed.

`python -m clankvox.doctor.beside_libdave` is that group in a process of its own, because libdave can abort it.
"""

import importlib
import importlib.util
import subprocess
import sys
from typing import Final

from clankvox.doctor.finding import Doubtful, Skipped, Wrong

_MODULE: Final = "clankvox.doctor.beside_libdave"
_PATIENCE_S: Final = 20.0
_DISAGREE: Final = 1
_UNEXAMINED: Final = 3
"""What is examined beside libdave does not load."""
_UNLOADED: Final = 4
"""libdave itself does not load."""


def libdave() -> str:
    """Let frames cross between davey and libdave."""
    if importlib.util.find_spec("dave") is None:
        raise Skipped("dave.py (libdave) is not installed, and nothing needs it")
    try:
        done = subprocess.run(  # noqa: S603 - ourselves
            [sys.executable, "-m", _MODULE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Wrong(f"no answer within {_PATIENCE_S:g} s") from None
    if done.returncode == _UNEXAMINED:
        raise Wrong("not examined: a library does not load", "See `libraries`, above.")
    if done.returncode == _UNLOADED:
        raise Doubtful("libdave does not load, and nothing needs it", "Install dave.py anew, or remove it.")
    if done.returncode == _DISAGREE:
        raise Wrong(done.stdout.strip())
    if done.returncode:
        raise Wrong(f"libdave ended its process (code {done.returncode})")
    return "its frames open here, and ours there"


def main() -> int:
    """Make the group; the exit code is 1 with a sentence on stdout if something is wrong."""
    if not _loads("clankvox.doctor.dave_group"):
        return _UNEXAMINED
    if not _loads("dave"):
        return _UNLOADED
    from clankvox.doctor.dave_group import beside  # noqa: PLC0415 - who only asks whether it is there needs none of it

    try:
        beside("libdave")
    except Wrong as wrong:
        sys.stdout.write(f"{wrong}\n")
    except Exception as error:  # noqa: BLE001 - whatever a broken library raises is the finding
        sys.stdout.write(f"raised {type(error).__name__}\n")
    else:
        return 0
    return _DISAGREE


def _loads(module: str) -> bool:
    try:
        importlib.import_module(module)
    except BaseException:  # noqa: BLE001 - native panics too
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
