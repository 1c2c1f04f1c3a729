"""libswresample by ctypes: the one inside the PyAV wheel, or else the system's.

PyAV's own AudioResampler builds a filter graph with threads of its own for every stream, which takes a millisecond in
a process that does other things, and cannot begin anew. The library beneath it starts again in microseconds, and
gives the same samples to the bit.
"""

import ctypes
import ctypes.util
import sys
from pathlib import Path
from typing import Any, Final

import av

from clankvox.errors import CodecError

_PATTERN: Final = {"darwin": (".dylibs", "libswresample*.dylib"), "win32": ("../av.libs", "swresample*.dll")}
_PATTERN_ELSEWHERE: Final = ("../av.libs", "libswresample*.so*")
_FORMAT_S16: Final = 1
"""AV_SAMPLE_FMT_S16 of libavutil/samplefmt.h."""
_ORDER_NATIVE: Final = 1
_MASKS: Final = {1: 0x4, 2: 0x3}
"""AV_CH_LAYOUT_MONO (front centre) and AV_CH_LAYOUT_STEREO of libavutil/channel_layout.h."""


class _ChannelLayout(ctypes.Structure):
    """AVChannelLayout of libavutil 57 and later."""

    _fields_ = (
        ("order", ctypes.c_int),
        ("channels", ctypes.c_int),
        ("mask", ctypes.c_uint64),
        ("opaque", ctypes.c_void_p),
    )


def _load() -> Any:
    folder, pattern = _PATTERN.get(sys.platform, _PATTERN_ELSEWHERE)
    bundled = sorted((Path(av.__file__).parent / folder).resolve().glob(pattern))  # loaded by PyAV already
    path = str(bundled[0]) if bundled else ctypes.util.find_library("swresample")
    if path is None:
        raise ImportError("libswresample is missing")
    library = ctypes.CDLL(path)
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    library.swr_alloc_set_opts2.argtypes = (
        *(pointer, pointer, integer, integer, pointer, integer, integer, integer, pointer),
    )
    library.swr_init.argtypes = (pointer,)
    library.swr_get_out_samples.argtypes = (pointer, integer)
    library.swr_convert.argtypes = (pointer, pointer, integer, pointer, integer)
    library.swr_free.argtypes = (pointer,)
    library.swr_free.restype = None
    return library


_LIBRARY: Final[Any] = _load()


class SwrContext:
    """One converter of interleaved int16. Not thread-safe; converting releases the GIL."""

    def __init__(self, in_rate_hz: int, out_rate_hz: int, channels: int) -> None:
        """Convert 1 or 2 channels; CodecError if the library refuses. `begin` before the first `convert`."""
        layout = ctypes.byref(_ChannelLayout(_ORDER_NATIVE, channels, _MASKS[channels], None))
        self._context = ctypes.c_void_p()
        _check(
            _LIBRARY.swr_alloc_set_opts2(
                ctypes.byref(self._context), layout, _FORMAT_S16, out_rate_hz, layout, _FORMAT_S16, in_rate_hz, 0, None
            )
        )
        self._in = ctypes.c_void_p()
        self._out = ctypes.c_void_p()
        self._planes = ctypes.byref(self._out), ctypes.byref(self._in)

    def begin(self) -> None:
        """Forget everything, as a new converter would; the filter is kept. CodecError if the library refuses."""
        _check(_LIBRARY.swr_init(self._context))

    def most_samples(self, in_samples: int) -> int:
        """Return how many samples `in_samples` more can give at most; with 0, how many `flush` can."""
        return _check(_LIBRARY.swr_get_out_samples(self._context, in_samples))

    def convert(self, in_address: int, in_samples: int, out_address: int, out_samples: int) -> int:
        """Convert `in_samples` into a buffer of `out_samples`; returns how many came out."""
        self._in.value, self._out.value = in_address, out_address
        planes_out, planes_in = self._planes
        return _check(_LIBRARY.swr_convert(self._context, planes_out, out_samples, planes_in, in_samples))

    def flush(self, out_address: int, out_samples: int) -> int:
        """Give what the filter holds; `begin` before the next `convert`."""
        self._out.value = out_address
        return _check(_LIBRARY.swr_convert(self._context, self._planes[0], out_samples, None, 0))

    def __del__(self) -> None:
        """Free the converter, whose memory holds sound."""
        _LIBRARY.swr_free(ctypes.byref(self._context))


def _check(status: int) -> int:
    """Return `status`, a count; CodecError for a negative one."""
    if status < 0:
        raise CodecError(f"libswresample refuses: status {status}")
    return status
