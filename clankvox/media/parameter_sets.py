"""The parameter sets of one H264 stream: senders may leave them out of later key frames, new decoders need them."""

from typing import Final

from clankvox.errors import WireError
from clankvox.wire.h264 import NalType, join_annex_b, nal_type
from clankvox.wire.h264_sps import parameter_set_id

MOST_SET_BYTES: Final = 4 * 1024
_MOST_SETS: Final = 32
"""Sequence parameter sets that there can be, and more picture parameter sets than encoders use."""
_SETS: Final = frozenset({NalType.SPS, NalType.PPS})


class ParameterSets:
    """Remembers the newest of each id, as authenticated: at most 32 of each type, 4 KiB each. Not thread-safe."""

    def __init__(self) -> None:
        self._known: dict[NalType, dict[int, bytes]] = {kind: {} for kind in (NalType.SPS, NalType.PPS)}

    def learn(self, nals: list[bytes]) -> None:
        """Take the parameter sets among `nals`."""
        for nal in nals:
            kind = nal_type(nal)
            if kind in _SETS and len(nal) <= MOST_SET_BYTES:
                self._keep(self._known[NalType(kind)], nal)

    def missing_from(self, nals: list[bytes]) -> bytes:
        """Return, as a byte stream to stand before a key frame, what is known and not among its `nals`."""
        there = {nal_type(nal) for nal in nals}
        lacking = [known for kind, known in self._known.items() if kind not in there]
        return join_annex_b([nal for known in lacking for nal in known.values()])

    @staticmethod
    def _keep(known: dict[int, bytes], nal: bytes) -> None:
        try:
            identifier = parameter_set_id(nal)
        except WireError:
            return
        if identifier not in known and len(known) >= _MOST_SETS:
            del known[next(iter(known))]
        known[identifier] = nal
