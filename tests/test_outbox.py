import itertools
import queue
import threading

import pytest

from clankvox import audio_lane
from clankvox import outbox as limits
from clankvox.audio_lane import News
from clankvox.clock import SystemClock
from clankvox.outbox import UNANNOUNCED_PIECES, Outbox, wipe
from tests.support.manual_clock import ManualClock

DEADLINE_S = 10.0


def drain(outbox):
    return [bytes(frame) for frame in iter(lambda: outbox.take(0.0), None)]


def fill_control(outbox, count=limits.CONTROL_EVENTS):
    for number in range(count):
        assert outbox.put_control(b"%d" % number)


def test_control_goes_before_audio_before_video():
    outbox = Outbox()
    outbox.put_video(b"v1")
    outbox.put_audio("a", bytearray(b"a1"), 20)
    outbox.put_control(b"c1")
    outbox.put_video(b"v2")
    outbox.put_marker(b"a2")
    outbox.put_control(b"c2")
    assert drain(outbox) == [b"c1", b"c2", b"a1", b"a2", b"v1", b"v2"]


def test_a_marker_keeps_its_place_behind_the_pcm():
    outbox = Outbox()
    for name in (b"1", b"2"):
        outbox.put_audio("a", bytearray(b"pcm" + name), 20)
        outbox.put_marker(b"end" + name)
    assert drain(outbox) == [b"pcm1", b"end1", b"pcm2", b"end2"]


def test_a_stream_holds_10_seconds_then_its_newest_pcm_is_dropped_and_wiped():
    outbox = Outbox()
    assert all(outbox.put_audio("a", bytearray(b"x"), 20) for _ in range(500))
    late = bytearray(b"late")
    assert not outbox.put_audio("a", late, 20)
    assert late == bytes(4)
    assert outbox.put_audio("b", bytearray(b"other stream"), 20)
    assert outbox.put_marker(b"end")
    assert drain(outbox) == [b"x"] * 500 + [b"other stream", b"end"]
    assert outbox.counters().audio_dropped_stream_full == outbox.counters().audio_dropped == 1


def test_all_streams_together_hold_32_mib_and_markers_still_fit():
    outbox = Outbox()
    piece = audio_lane.AUDIO_BYTES // 8
    assert all(outbox.put_audio(n, bytearray(piece), 20) for n in range(8))
    assert not outbox.put_audio("late", bytearray(1), 20)
    assert outbox.put_marker(b"end")
    assert outbox.counters().audio_dropped_lane_full == 1
    outbox.take(0.0)
    assert outbox.put_audio("late", bytearray(piece), 20)


def test_of_65_pictures_the_oldest_is_dropped():
    outbox = Outbox()
    assert all(outbox.put_video(b"%d" % n) for n in range(64))
    assert not outbox.put_video(b"64")
    assert drain(outbox) == [b"%d" % n for n in range(1, 65)]
    assert outbox.counters().video_dropped == 1


def test_pictures_have_a_bound_in_bytes_too():
    outbox = Outbox()
    half = bytes(limits.VIDEO_BYTES // 2)
    assert outbox.put_video(half)
    assert outbox.put_video(half)
    assert not outbox.put_video(b"newest")
    assert [len(frame) for frame in drain(outbox)] == [len(half), 6]
    assert outbox.put_video(half + half)


def test_telemetry_is_queued_like_all_else_while_there_is_room():
    outbox = Outbox()
    assert outbox.put_control(b"1", "depth")
    assert outbox.put_control(b"2", "depth")
    assert drain(outbox) == [b"1", b"2"]
    assert outbox.counters().control_dropped == 0


def test_over_the_limit_telemetry_replaces_its_predecessor_in_place():
    outbox = Outbox()
    outbox.put_control(b"old depth", "depth")
    fill_control(outbox)
    assert outbox.put_control(b"new depth", "depth")
    assert outbox.counters().control_depth == limits.CONTROL_EVENTS + 1
    assert outbox.take(0.0) == b"new depth"
    assert outbox.counters().control_dropped_telemetry == 1


def test_over_the_limit_telemetry_without_predecessor_is_dropped():
    outbox = Outbox()
    outbox.put_control(b"taken", "depth")
    outbox.take(0.0)
    fill_control(outbox)
    assert not outbox.put_control(b"depth", "depth")
    assert not outbox.put_control(b"stats", "stats")
    assert outbox.counters().control_depth == limits.CONTROL_EVENTS
    assert outbox.counters().control_dropped_telemetry == 2


def test_telemetry_replaces_the_newest_of_its_kind():
    outbox = Outbox()
    outbox.put_control(b"1", "depth")
    outbox.put_control(b"2", "depth")
    fill_control(outbox, limits.CONTROL_EVENTS - 2)
    outbox.put_control(b"3", "depth")
    assert drain(outbox)[:2] == [b"1", b"3"]


def test_over_the_limit_all_else_queues_up_to_the_bound_in_bytes():
    outbox = Outbox()
    fill_control(outbox)
    assert outbox.put_control(b"ready")
    quarter = bytes(limits.CONTROL_BYTES // 4)
    assert [outbox.put_control(quarter) for _ in range(5)] == [True] * 3 + [False] * 2
    assert outbox.counters().control_dropped_full == outbox.counters().control_dropped == 2
    assert drain(outbox)[-4] == b"ready"
    assert outbox.put_control(quarter)


def test_a_replacement_counts_against_the_bound_in_bytes():
    outbox = Outbox()
    outbox.put_control(b"depth", "depth")
    fill_control(outbox)
    assert not outbox.put_control(bytes(limits.CONTROL_BYTES), "depth")
    assert outbox.take(0.0) == b"depth"


def test_after_a_replacement_the_bound_in_bytes_knows_the_new_size():
    outbox = Outbox()
    outbox.put_control(b"depth", "depth")
    fill_control(outbox)
    half = bytes(limits.CONTROL_BYTES // 2)
    assert outbox.put_control(half, "depth")
    assert not outbox.put_control(half)
    assert outbox.take(0.0) == half
    assert outbox.put_control(half)


@pytest.mark.parametrize("change", [lambda outbox: outbox.put_control(b"c"), Outbox.close])
def test_a_waiting_writer_is_woken_by_a_frame_and_by_the_end(change):
    outbox = Outbox()
    waits = threading.Event()
    outbox._is_empty = lambda: waits.set() or True  # asked just before the writer waits, under the lock
    writer = threading.Thread(target=outbox.take, args=(600.0,), daemon=True)
    writer.start()
    assert waits.wait(10.0)
    change(outbox)
    writer.join(10.0)
    assert not writer.is_alive()


def test_overflow_is_dated_from_the_first_look_and_ends_when_there_is_room():
    outbox = Outbox()
    assert outbox.control_overflow_since(1.0) is None
    fill_control(outbox)
    assert outbox.control_overflow_since(2.0) == 2.0
    assert outbox.control_overflow_since(61.0) == 2.0
    outbox.take(0.0)
    assert outbox.control_overflow_since(62.0) is None
    outbox.put_control(b"x")
    assert outbox.control_overflow_since(63.0) == 63.0


def test_counters_are_a_snapshot_of_depths():
    outbox = Outbox()
    outbox.put_control(b"c")
    outbox.put_audio("a", bytearray(b"a"), 20)
    outbox.put_marker(b"m")
    outbox.put_video(b"v")
    counters = outbox.counters()
    drain(outbox)
    assert (counters.control_depth, counters.audio_depth, counters.video_depth) == (1, 2, 1)
    assert sum(outbox.counters()) == 0


def test_a_closed_outbox_gives_what_is_left_and_takes_nothing_more():
    outbox = Outbox()
    outbox.put_control(b"last")
    outbox.close()
    pcm = bytearray(b"pcm")
    puts = (outbox.put_control(b"x"), outbox.put_audio("a", pcm, 20), outbox.put_marker(b"x"), outbox.put_video(b"x"))
    assert not any(puts)
    assert pcm == bytes(3)
    assert not outbox.is_finished
    assert outbox.take(60.0) == b"last"
    assert outbox.is_finished
    assert outbox.take(60.0) is None  # at once


def test_discarding_wipes_what_nobody_will_read():
    outbox = Outbox()
    pcm = [bytearray(b"pcm") for _ in range(3)]
    for frame in pcm:
        outbox.put_audio("a", frame, 20)
    outbox.discard()
    assert pcm == [bytes(3)] * 3
    assert outbox.is_finished


def test_pieces_that_came_together_wake_the_writer_once_when_all_are_there_or_very_many():
    outbox = Outbox()
    taken = queue.SimpleQueue()
    writer = threading.Thread(target=lambda: [taken.put(outbox.take(DEADLINE_S)) for _ in range(2)], daemon=True)
    woken = count_notifications(outbox)
    for number in range(3):
        outbox.put_audio("a", bytearray([number]), 20)
    assert woken() == 0
    outbox.wake_writer()
    outbox.wake_writer()
    assert woken() == 1
    for number in range(UNANNOUNCED_PIECES):
        outbox.put_audio("b", bytearray([number]), 20)
    assert woken() == 2
    writer.start()
    assert [taken.get(timeout=DEADLINE_S) for _ in range(2)] == [bytearray([0]), bytearray([1])]
    outbox.put_audio("c", bytearray(1), 20)
    assert outbox.take(0.0) == bytearray([2])
    outbox.wake_writer()
    assert woken() == 2, "who takes is awake"


def test_a_writer_that_sleeps_gets_pcm_when_it_is_woken():
    outbox = Outbox()
    taken = queue.SimpleQueue()
    threading.Thread(target=lambda: taken.put(outbox.take(DEADLINE_S)), daemon=True).start()
    outbox.put_audio("a", bytearray(b"x"), 20)
    outbox.wake_writer()
    assert taken.get(timeout=DEADLINE_S) == b"x"


def count_notifications(outbox):
    counted = []
    notify = outbox._filled.notify
    outbox._filled.notify = lambda: (counted.append(1), notify())
    return lambda: len(counted)


def test_wiping_leaves_what_cannot_be_wiped():
    frame = bytearray(b"abc")
    wipe(frame)
    wipe(b"abc")
    assert frame == bytes(3)


@pytest.mark.parametrize("order", list(itertools.permutations("cav")))
def test_priority_does_not_depend_on_the_order_of_arrival(order):
    outbox = Outbox()
    put = {
        "c": lambda: outbox.put_control(b"c"),
        "a": lambda: outbox.put_audio("s", bytearray(b"a"), 20),
        "v": lambda: outbox.put_video(b"v"),
    }
    for lane in order:
        put[lane]()
    assert drain(outbox) == [b"c", b"a", b"v"]


# --- PCM that waits for news ---


def held(now=lambda: 0.0, *news):
    outbox = Outbox(now)
    for each in news or (News.SPEECH_BEGAN,):
        outbox.hold_audio("alice", each)
    return outbox


def test_pcm_that_waits_for_news_delays_nobody_else():
    outbox = held()
    outbox.put_audio("a", bytearray(b"a1"), 20, "alice")
    outbox.put_audio("b", bytearray(b"b1"), 20, "bob")
    outbox.put_marker(b"b2")
    outbox.put_video(b"v")
    assert drain(outbox) == [b"b1", b"b2", b"v"]
    assert outbox.counters().audio_depth == 1
    outbox.put_control(b"alice speaks")
    outbox.release_audio("alice", News.SPEECH_BEGAN)
    outbox.put_audio("a", bytearray(b"a2"), 20, "alice")
    assert drain(outbox) == [b"alice speaks", b"a1", b"a2"]


def test_pcm_waits_until_all_news_are_there_each_as_often_as_announced():
    news = (News.SPEECH_BEGAN, News.UTTERANCE_ENDED, News.SPEECH_BEGAN)
    for order in set(itertools.permutations(news)):
        outbox = held(lambda: 0.0, *news)
        outbox.put_audio("a", bytearray(b"a"), 20, "alice")
        for each in order:
            assert outbox.take(0.0) is None
            outbox.release_audio("alice", each)
        assert drain(outbox) == [b"a"]


def test_pcm_waits_only_for_the_news_before_it():
    outbox = held()
    outbox.put_audio("a", bytearray(b"first"), 20, "alice")
    outbox.hold_audio("alice", News.UTTERANCE_ENDED)
    outbox.put_audio("a", bytearray(b"second"), 20, "alice")
    outbox.release_audio("alice", News.SPEECH_BEGAN)
    assert drain(outbox) == [b"first"]
    outbox.put_marker(b"end", "alice")
    outbox.release_audio("alice", News.UTTERANCE_ENDED)
    assert drain(outbox) == [b"end", b"second"]


def test_the_end_of_an_utterance_stays_behind_its_pcm_whatever_else_that_waits_for():
    outbox = held()
    outbox.put_audio("a", bytearray(b"first"), 20, "alice")
    outbox.hold_audio("alice", News.UTTERANCE_ENDED)
    outbox.put_audio("a", bytearray(b"second"), 20, "alice")
    outbox.put_marker(b"segment", "alice")
    outbox.put_marker(b"end", "alice")
    outbox.put_marker(b"of bob", "bob")
    assert drain(outbox) == [b"first", b"segment", b"end", b"of bob"]
    outbox.release_audio("alice", News.UTTERANCE_ENDED)
    assert drain(outbox) == [b"second"]


def test_news_that_nobody_waits_for_release_nothing():
    outbox = held()
    outbox.put_audio("a", bytearray(b"a"), 20, "alice")
    outbox.release_audio("alice", News.UTTERANCE_ENDED)
    outbox.release_audio("bob", News.SPEECH_BEGAN)
    assert drain(outbox) == []
    outbox.release_audio("alice", News.SPEECH_BEGAN)
    outbox.release_audio("alice", News.SPEECH_BEGAN)
    assert drain(outbox) == [b"a"]


def test_news_that_never_come_are_not_waited_for_longer_than_a_quarter_of_a_second():
    clock = ManualClock()
    outbox = held(clock.now)
    outbox.put_audio("a", bytearray(b"a"), 20, "alice")
    clock.move_to(clock.now() + audio_lane.HOLD_S - 0.001)
    outbox.hold_audio("alice", News.SPEECH_BEGAN)  # does not begin the wait anew
    assert outbox.take(0.0) is None
    clock.move_to(clock.now() + 0.001)
    assert drain(outbox) == [b"a"]
    outbox.put_audio("a", bytearray(b"b"), 20, "alice")
    assert drain(outbox) == [b"b"]


def test_the_writer_wakes_up_by_itself_for_pcm_that_has_waited_for_too_long():
    clock = SystemClock()
    outbox = held(clock.now)
    outbox.put_audio("a", bytearray(b"a"), 20, "alice")
    assert outbox.take(60.0) == b"a"


def test_kept_pcm_is_bounded_by_bytes_and_by_the_bounds_of_all_pcm():
    outbox = held()
    piece = audio_lane.HOLD_BYTES // 4
    for _ in range(4):
        outbox.put_audio("a", bytearray(piece), 20, "alice")
    assert outbox.take(0.0) is None
    outbox.put_audio("a", bytearray(1), 20, "alice")
    assert [len(frame) for frame in drain(outbox)] == [piece] * 4 + [1]
    outbox = held()
    while outbox.put_audio("a", bytearray(1), 20, "alice"):
        pass
    assert outbox.counters().audio_depth == 500


def test_what_is_kept_when_the_outbox_is_closed_can_be_taken_and_is_wiped_if_discarded():
    frame = bytearray(b"pcm")
    for ending in (Outbox.close, Outbox.discard):
        outbox = held()
        outbox.put_audio("a", frame, 20, "alice")
        ending(outbox)
        outbox.hold_audio("alice", News.SPEECH_BEGAN)
        assert drain(outbox) == ([b"pcm"] if ending is Outbox.close else [])
        assert outbox.is_finished
    assert frame == bytes(3)
