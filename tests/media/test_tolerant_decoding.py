"""Damage is survived up to a limit."""

import av
import pytest

from clankvox.media.picture_source import SourceFailed
from clankvox.media.tolerant_decoding import DAMAGE_LIMIT, TolerantDecoding


class Damaged:
    def __init__(self, error):
        self._error = error

    def decode(self):
        if self._error is not None:
            raise self._error
        return ["frame"]


BROKEN = Damaged(av.error.InvalidDataError(1, "broken"))
WHOLE = Damaged(None)
DRAINED = Damaged(av.error.EOFError(1, "end"))


def test_damaged_packets_give_nothing_and_are_counted():
    decoding = TolerantDecoding()
    assert [decoding.frames(packet) for packet in (WHOLE, BROKEN, DRAINED, WHOLE)] == [["frame"], [], [], ["frame"]]
    assert decoding.damaged_packets == 1


def test_nothing_but_damage_is_a_failure_and_a_whole_packet_starts_anew():
    decoding = TolerantDecoding()
    for _ in range(3):
        for _ in range(DAMAGE_LIMIT - 1):
            decoding.frames(BROKEN)
        decoding.frames(WHOLE)
    for _ in range(DAMAGE_LIMIT - 1):
        decoding.frames(BROKEN)
    with pytest.raises(SourceFailed):
        decoding.frames(BROKEN)
