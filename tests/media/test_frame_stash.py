from clankvox.media.frame_assembler import AssembledFrame
from clankvox.media.frame_stash import LONGEST_S, MOST_BYTES, MOST_FRAMES, FrameStash


def frame(number, size=1, arrival=0.0):
    return AssembledFrame(bytes(size), (), number, arrival, after_loss=False)


def test_frames_come_back_once_in_order():
    stash = FrameStash()
    for number in range(5):
        assert stash.keep(frame(number)) == 0
    assert [each.timestamp for each in stash.take_all()] == list(range(5))
    assert (stash.take_all(), len(stash), stash.deadline) == ([], 0, None)


def test_the_oldest_go_beyond_the_count_and_the_bytes():
    stash = FrameStash()
    assert sum(stash.keep(frame(number)) for number in range(MOST_FRAMES + 3)) == 3
    assert stash.take_all()[0].timestamp == 3
    assert [stash.keep(frame(number, MOST_BYTES // 2)) for number in range(4)] == [0, 0, 1, 1]
    assert len(stash) == 2


def test_what_waits_too_long_is_dropped():
    stash = FrameStash()
    stash.keep(frame(1, arrival=1.0))
    stash.keep(frame(2, arrival=2.0))
    assert stash.deadline == 1.0 + LONGEST_S
    assert stash.expire(1.0 + LONGEST_S - 0.01) == 0
    assert stash.expire(1.0 + LONGEST_S) == 1
    assert [each.timestamp for each in stash.take_all()] == [2]
