"""Five frames of silence end a talkspurt."""

from hypothesis import given
from hypothesis import strategies as st

from clankvox.media.silence_tail import SilenceTail
from tests.support.spoken import decode_stereo


def rest(tail):
    frames = []
    while (frame := tail.next_frame()) is not None:
        frames.append(frame)
    return frames


def test_exactly_five_silence_frames_follow_audio():
    tail = SilenceTail()
    tail.audio_went()
    assert rest(tail) == [b"\xf8\xff\xfe"] * 5
    assert rest(tail) == []


def test_without_audio_there_is_nothing_to_end():
    assert rest(SilenceTail()) == []


def test_the_frames_are_silence_to_libopus():
    tail = SilenceTail()
    tail.audio_went()
    assert not decode_stereo(rest(tail)).any()


@given(st.lists(st.booleans(), max_size=60))
def test_audio_in_between_begins_the_count_anew(slots_with_audio):
    tail, since_audio = SilenceTail(), 5
    for with_audio in slots_with_audio:
        if with_audio:
            tail.audio_went()
            since_audio = 0
        else:
            assert (tail.next_frame() is not None) == (since_audio < 5)
            since_audio += 1
        assert tail.owed == max(0, 5 - since_audio)


def test_a_frame_that_did_not_leave_is_owed_again_but_never_a_sixth():
    tail = SilenceTail()
    tail.audio_went()
    tail.give_back()
    assert tail.owed == 5
    tail.next_frame()
    tail.give_back()
    assert rest(tail) == [b"\xf8\xff\xfe"] * 5


def test_a_forgotten_tail_owes_nothing():
    tail = SilenceTail()
    tail.audio_went()
    tail.forget()
    assert rest(tail) == []
