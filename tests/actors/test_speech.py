"""How much of a playback was heard, and when it is over."""

import pytest

from clankvox.actors.speech import Speech, SpeechName
from clankvox.media.frame_ledger import FrameFate
from clankvox.media.rtp_sender import OpusFrame, Part


def frame(number=None, samples=960, *, audible=True):
    return OpusFrame(b"", audible, () if number is None else (Part(SpeechName(number), samples, audible),))


def test_only_what_was_sent_counts():
    speech = Speech(1)
    for fate in FrameFate:
        speech.made(frame(1))
        speech.over(frame(1), fate)
    assert speech.played_ms == 20


def test_it_is_heard_with_the_first_sample_that_is_not_zero():
    speech = Speech(1)
    speech.over(frame(1, audible=False), FrameFate.SENT)
    speech.over(frame(1), FrameFate.REFUSED)
    assert not speech.heard
    speech.over(frame(1), FrameFate.SENT)
    assert speech.heard


@pytest.mark.parametrize("fate", FrameFate)
def test_five_slots_after_the_last_frame_it_has_passed_whatever_was_in_them(fate):
    speech = Speech(1)
    speech.made(frame(1))
    for _ in range(9):
        speech.over(frame(), FrameFate.SENT)
    assert not speech.has_passed  # its frame is still on the way
    speech.over(frame(1), FrameFate.SENT)
    for _ in range(4):
        speech.over(frame(), fate)
    assert not speech.has_passed
    speech.over(frame(2), fate)
    assert speech.has_passed


def test_frames_of_another_playback_are_not_its_own():
    speech = Speech(2)
    speech.made(frame(1))
    speech.over(frame(1), FrameFate.SENT)
    assert (speech.played_ms, speech.heard) == (0, False)


def test_the_position_is_new_once_a_second():
    speech = Speech(1)
    told = []
    for _ in range(125):
        speech.over(frame(1), FrameFate.SENT)
        told.append(speech.new_position_ms())
    assert [position for position in told if position is not None] == [1_000, 2_000]
