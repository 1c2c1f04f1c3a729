"""Make opuslib find libopus: the one inside the PyAV wheel, or else the system's.

opuslib looks only for a system library and refuses to be imported without one. The wheel of PyAV carries a full
libopus for its own use, so that nothing but `pip install` is ever needed. It comes first, because it is the one that
is tested, and because looking for another one starts ldconfig and a compiler. Import opuslib after this module.
"""

import ctypes
import ctypes.util
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

_BUNDLED: Final = {"darwin": (".dylibs", "libopus*.dylib"), "win32": ("../av.libs", "*opus*.dll")}
_BUNDLED_ELSEWHERE: Final = ("../av.libs", "libopus*.so*")


def bundled_libopus() -> str | None:
    """Path of the libopus inside the PyAV wheel, None if this PyAV brings none."""
    spec = find_spec("av")  # to import it would take longer than all else here
    if spec is None or spec.origin is None:
        return None
    folder, pattern = _BUNDLED.get(sys.platform, _BUNDLED_ELSEWHERE)
    found = sorted((Path(spec.origin).parent / folder).resolve().glob(pattern))
    return str(found[0]) if found else None


def _import_opuslib() -> Any:
    """Import opuslib while `find_library` knows the wheel's libopus; return its ctypes library."""
    find_library = ctypes.util.find_library

    def find(name: str) -> str | None:
        return (bundled_libopus() if name == "opus" else None) or find_library(name)

    ctypes.util.find_library = find
    try:
        with warnings.catch_warnings():
            # opuslib compares integers by identity, which Python remarks when it first compiles the file
            warnings.simplefilter("ignore", SyntaxWarning)
            import opuslib.api  # noqa: PLC0415
            import opuslib.api.ctl  # noqa: PLC0415
            import opuslib.api.decoder  # noqa: PLC0415
            import opuslib.api.encoder  # noqa: PLC0415
    except ImportError:
        raise
    except Exception as error:  # opuslib's own way to say that there is no library
        raise ImportError("libopus is missing or does not load") from error
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
