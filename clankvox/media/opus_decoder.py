"""One Opus decoder, straight to the rate that is asked for, into memory that can be wiped."""

import ctypes
import weakref
from typing import Any, Final

import numpy as np

from clankvox.errors import CodecError
from clankvox.media.libopus import LIBOPUS
from clankvox.media.pcm import Mono

NATIVE_RATES_HZ: Final = frozenset({8_000, 12_000, 16_000, 24_000, 48_000})
"""Rates that libopus decodes to by itself."""
_LONGEST_PACKET_MS: Final = 120
_RESET_STATE: Final = 4028
"""OPUS_RESET_STATE of opus_defines.h."""
_DECODE: Final[Any] = LIBOPUS["opus_decode"]
"""Plain addresses, which ctypes passes on without the checks that typed pointers take for every packet."""
_DECODE.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
_DECODE.restype = ctypes.c_int


class OpusDecoder:
    """Decodes one mono stream. Not thread-safe; libopus runs without the GIL.

    Every method that returns PCM returns a view of the decoder's one buffer, shape (samples,): it is valid until
    the next call, and the caller wipes it with `view.fill(0)` when it is done with it.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        """Decode to one of NATIVE_RATES_HZ; CodecError if libopus cannot make a decoder."""
        status = ctypes.c_int()
        self._state: Any = LIBOPUS.opus_decoder_create(sample_rate_hz, 1, ctypes.byref(status))
        if status.value:
            raise CodecError("libopus refused to make a decoder")
        weakref.finalize(self, LIBOPUS.opus_decoder_destroy, self._state)
        self._capacity = sample_rate_hz * _LONGEST_PACKET_MS // 1000
        self._pcm: Mono = np.zeros(self._capacity, np.int16)
        self._decoder = ctypes.cast(self._state, ctypes.c_void_p)
        self._address = ctypes.c_void_p(self._pcm.ctypes.data)

    def decode(self, packet: bytes) -> Mono:
        """Decode a packet of up to 120 ms; CodecError if it is no Opus."""
        if not packet:  # libopus would conceal a frame instead
            raise CodecError("an empty packet")
        return self._run(packet, self._capacity, fec=0)

    def recover(self, following: bytes, samples: int) -> Mono:
        """Decode what `following` repeats of the `samples` (one frame's worth) before it."""
        return self._run(following, samples, fec=1)

    def conceal(self, samples: int) -> Mono:
        """Make up `samples` (a multiple of 2.5 ms, at most 120 ms) in place of packets that did not come."""
        return self._run(None, samples, fec=0)

    def silence(self, samples: int) -> Mono:
        """Return zeros in the same buffer, at most 120 ms; the decoder does not notice."""
        pcm = self._pcm[:samples]
        pcm.fill(0)
        return pcm

    def reset(self) -> None:
        """Forget the past, as if just made."""
        LIBOPUS.opus_decoder_ctl(self._state, _RESET_STATE)

    def wipe(self) -> None:
        """Zero the buffer and what the decoder remembers."""
        self._pcm.fill(0)
        self.reset()

    def _run(self, packet: bytes | None, samples: int, fec: int) -> Mono:
        size = len(packet) if packet is not None else 0
        decoded = _DECODE(self._decoder, packet, size, self._address, samples, fec)
        if decoded < 0:
            raise CodecError(f"libopus refused a packet ({decoded})")
        return self._pcm[:decoded]
