from hypothesis import given
from hypothesis import strategies as st

from clankvox.ids import Attempt, Role, Ssrc, UserId
from clankvox.media.decode_queue import MOST_WAITING, DecodeQueue
from clankvox.media.video_ports import AccessUnit
from clankvox.wire.video_codec import VideoCodec


def unit(number, ssrc=5, keyframe=False):
    return AccessUnit(
        Role.VOICE, Attempt(1), UserId(2), Ssrc(ssrc), VideoCodec.H264, keyframe, number, b"", 0.0, dave_decrypted=True
    )


def drained(queue):
    taken = []
    while (each := queue.take()) is not None:
        taken.append(each.rtp_timestamp)
    return taken


def test_units_of_all_streams_come_in_the_order_in_which_they_were_put():
    queue = DecodeQueue()
    for number in range(9):
        assert queue.put(unit(number, ssrc=number % 2))
    assert drained(queue) == list(range(9))
    assert (queue.take(), queue.dropped) == (None, 0)


def test_deltas_that_find_the_queue_full_drop_all_but_a_key_frame_at_its_head():
    queue = DecodeQueue()
    for number in range(MOST_WAITING):
        queue.put(unit(number, keyframe=number == 0))
    assert not queue.put(unit(8))
    assert queue.dropped == MOST_WAITING
    assert drained(queue) == [0]
    for number in range(MOST_WAITING):
        queue.put(unit(number))
    assert not queue.put(unit(8))
    assert drained(queue) == []


def test_a_key_frame_in_the_queue_saves_what_builds_on_it():
    queue = DecodeQueue()
    for number in range(MOST_WAITING):
        queue.put(unit(number, keyframe=number in (0, 3)))
    assert queue.put(unit(8))
    assert drained(queue) == [3, 4, 5, 6, 7, 8]
    assert queue.dropped == 3


def test_a_new_key_frame_replaces_what_waits():
    queue = DecodeQueue()
    for number in range(MOST_WAITING):
        queue.put(unit(number))
    queue.put(unit(99, ssrc=6))
    assert queue.put(unit(8, keyframe=True))
    assert drained(queue) == [99, 8]


def test_a_stream_that_is_over_waits_no_more_and_is_not_counted():
    queue = DecodeQueue()
    queue.put(unit(1))
    queue.put(unit(2, ssrc=6))
    queue.forget(Ssrc(5))
    assert (drained(queue), queue.dropped) == ([2], 0)


@given(st.lists(st.tuples(st.sampled_from("put take key"), st.integers(0, 2))))
def test_no_delta_is_ever_taken_without_the_one_before_it(steps):
    """`put` obeys the answer of the queue, as streams do."""
    queue, number, waiting = DecodeQueue(), 0, set()
    last = {}
    for step, ssrc in [*steps, *[("t", 0)] * 40]:
        if step[0] in "pk" and (step == "k" or ssrc not in waiting):
            waiting.discard(ssrc)
            number += 1
            if not queue.put(unit(number, ssrc, step == "k")):
                waiting.add(ssrc)
            last.setdefault(ssrc, []).append((number, step == "k"))
        elif step[0] == "t" and (taken := queue.take()) is not None:
            put = last[taken.ssrc]
            place = [n for n, _ in put].index(taken.rtp_timestamp)
            assert taken.keyframe or place == 0
            last[taken.ssrc] = put[place + 1 :]
    assert len(queue) <= 3 * MOST_WAITING
