"""Make opuslib find libopus: the system's, or else the one inside the PyAV wheel.

opuslib looks only for a system library and refuses to be imported without one. The wheel of PyAV carries a full
libopus for its own use, so that nothing but `pip install` is ever needed. Import opuslib after this module.
"""

import ctypes
import ctypes.util
import sys
import warnings
from pathlib import Path
from typing import Any, Final

import av

_BUNDLED: Final = {"darwin": (".dylibs", "libopus*.dylib"), "win32": ("../av.libs", "*opus*.dll")}
_BUNDLED_ELSEWHERE: Final = ("../av.libs", "libopus*.so*")


def bundled_libopus() -> str | None:
    """Path of the libopus inside the PyAV wheel, None if this PyAV brings none."""
    folder, pattern = _BUNDLED.get(sys.platform, _BUNDLED_ELSEWHERE)
    found = sorted((Path(av.__file__).parent / folder).resolve().glob(pattern))
    return str(found[0]) if found else None


def _import_opuslib() -> Any:
    """Import opuslib while `find_library` also knows the wheel's libopus; return its ctypes library."""
    find_library = ctypes.util.find_library

    def find(name: str) -> str | None:
        return find_library(name) or (bundled_libopus() if name == "opus" else None)

    ctypes.util.find_library = find
    try:
        with warnings.catch_warnings():
            # opuslib compares integers by identity, which Python remarks when it first compiles the file
            warnings.simplefilter("ignore", SyntaxWarning)
            import opuslib.api  # noqa: PLC0415
            import opuslib.api.ctl  # noqa: PLC0415
            import opuslib.api.decoder  # noqa: PLC0415
            import opuslib.api.encoder  # noqa: PLC0415
    finally:
        ctypes.util.find_library = find_library
    return opuslib.api.libopus


LIBOPUS: Final[Any] = _import_opuslib()
"""The ctypes library, with the argument types that opuslib declares."""


def version() -> str:
    """Name and version of the libopus in use, such as "libopus 1.6.1"."""
    function = LIBOPUS.opus_get_version_string
    function.restype = ctypes.c_char_p
    return str(function().decode("ascii"))
