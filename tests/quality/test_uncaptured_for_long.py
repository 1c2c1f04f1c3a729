"""Whoever speaks for longer than the sequence space lasts while nobody listens is heard when somebody does."""

import numpy as np

from tests.support.hearing import ALICE, ME, Ears, Talker, opus_packets, room_of

WRAPPED = 40_000
"""Packets: 13 minutes, over the half of the sequence space behind which everything looks like the past."""


def test_thirteen_minutes_without_a_capture_make_nobody_mute():
    room = room_of(ME, ALICE)
    ears, talker = Ears(room), Talker(7, room.members[ALICE])
    speech = opus_packets(1.0)
    frames = (speech[number % len(speech)] for number in range(WRAPPED))
    ears.hear(talker.packets(frames))
    assert len(ears.heard.pcm(ALICE)) == 0
    ears.wait(3.0)
    ears.arm(ALICE)
    ears.hear(talker.packets(speech))
    assert len(ears.heard.pcm(ALICE)) == len(speech) * 480
    assert np.abs(ears.heard.pcm(ALICE).astype(int)).max() > 1_000
