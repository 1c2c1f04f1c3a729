"""How glibc's malloc keeps what was freed (man 3 mallopt). Elsewhere the call does nothing and returns False.

By default every thread may get an arena of its own, eight for each core, and the size from which memory is mapped (and
so given back at once) grows with what is freed. A decoder, scaler and encoder a source, each with threads, then leave
15 MiB behind with every film that ends, up to 200 MiB; with these settings 40 films ended and nothing stayed.
"""

import ctypes
import sys
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_ARENAS: Final = 2
"""Packets and Python objects are small and made under the GIL: more arenas would only keep more."""
_MAPPED_FROM_BYTES: Final = 128 * 1024
"""Its default to begin with; setting it keeps it from growing."""


def give_back_freed() -> bool:
    """Give the system the pages that hold nothing any more; False if there were none, or it cannot be asked for.

    For threads of sources, behind their end: what a decoder leaves is free, but lies between what lives, and RSS would
    show it for ever. Takes up to 4 ms for 16 MiB, without the GIL, but whoever allocates meanwhile may wait for it.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform.startswith("linux") else None
    return trim is not None and trim(ctypes.c_size_t(0)) == 1


def give_back_memory() -> bool:
    """Bound what is kept of freed memory; once, before there are threads. False where that cannot be said."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    mallopt.argtypes = [ctypes.c_int, ctypes.c_int]
    mallopt.restype = ctypes.c_int
    settings = (
        (_M_ARENA_MAX, _ARENAS),
        (_M_MMAP_THRESHOLD, _MAPPED_FROM_BYTES),
        (_M_TRIM_THRESHOLD, _MAPPED_FROM_BYTES),
    )
    return all(mallopt(parameter, value) == 1 for parameter, value in settings)
