import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.protocol.heartbeat import DOUBT_S, Heartbeat


@pytest.mark.parametrize(
    ("interval_ms", "first_s"), [(13_750, 13.75), (41_250.5, 41.2505), (1, 1.0), (86_400_000, 120.0)]
)
def test_the_first_beat_comes_one_interval_after_hello_held_within_1_and_120_s(interval_ms, first_s):
    beats = Heartbeat(interval_ms, now=100.0)
    assert beats.next_poll() == pytest.approx(100.0 + first_s)
    assert beats.poll(100.0 + first_s - 0.001) is None
    assert beats.poll(100.0 + first_s + 0.001) is not None


def test_jitter_moves_the_first_beat_only():
    beats = Heartbeat(10_000, 0.0, first_fraction=0.6)
    assert beats.next_poll() == 6.0
    beats.poll(6.0)
    assert beats.next_poll() == 16.0


def test_three_beats_without_an_answer_are_the_end_one_interval_after_the_third():
    beats = Heartbeat(10_000, 0.0)
    assert [beats.poll(now) is None for now in (10.0, 20.0, 30.0)] == [False, False, False]
    assert not beats.lost
    assert beats.poll(40.0) is None
    assert beats.lost
    assert beats.next_poll() is None
    assert beats.poll(50.0) is None


def test_an_answer_clears_what_was_missed():
    beats = Heartbeat(10_000, 0.0)
    beats.poll(10.0)
    beats.poll(20.0)
    assert beats.acknowledged(beats.poll(30.0), 30.25)
    assert beats.rtt_s == 0.25
    for now in (40.0, 50.0, 60.0):
        assert beats.poll(now) is not None
    assert beats.poll(70.0) is None
    assert beats.lost


def test_a_doubt_asks_at_once_and_is_the_end_unless_any_beat_is_answered_in_time():
    beats = Heartbeat(10_000, 0.0)
    asked = beats.doubted(1.0)
    beats.doubted(4.0)
    assert beats.next_poll() == 1.0 + DOUBT_S
    assert beats.poll(5.9) is None
    assert not beats.lost
    assert beats.poll(6.0) is None
    assert beats.lost
    assert beats.next_poll() is None

    answered = Heartbeat(10_000, 0.0)
    asked = answered.doubted(1.0)
    assert not answered.acknowledged(asked + 1, 2.0)
    assert answered.acknowledged(asked, 2.0)
    assert answered.next_poll() == 10.0
    assert answered.poll(10.0) is not None
    assert not answered.lost


def test_a_regular_beat_that_is_due_in_a_doubt_is_beaten():
    beats = Heartbeat(10_000, 0.0)
    beats.doubted(8.0)
    assert beats.next_poll() == 10.0
    regular = beats.poll(10.0)
    assert beats.next_poll() == 8.0 + DOUBT_S
    assert beats.acknowledged(regular, 12.0)
    assert beats.poll(13.0) is None
    assert not beats.lost


def test_only_the_nonce_of_an_open_beat_is_an_answer():
    beats = Heartbeat(10_000, 0.0)
    first, second = beats.poll(10.0), beats.poll(20.0)
    assert not beats.acknowledged(first + 1, 21.0)
    assert not beats.acknowledged(-1, 21.0)
    assert beats.acknowledged(second, 21.0)
    assert not beats.acknowledged(second, 22.0)
    assert not beats.acknowledged(first, 22.0)
    assert beats.rtt_s == 1.0


def test_demanded_beats_neither_move_the_regular_ones_nor_count_as_missed():
    beats = Heartbeat(10_000, 0.0)
    nonces = [beats.demanded(5.0) for _ in range(50)]
    assert len(set(nonces)) == 50
    assert len(beats._sent_at) == 16
    assert beats.next_poll() == 10.0
    for now in (10.0, 20.0, 30.0):
        assert beats.poll(now) is not None
    assert not beats.lost


def test_a_late_poll_beats_once():
    beats = Heartbeat(10_000, 0.0)
    assert beats.poll(3600.0) is not None
    assert beats.poll(3600.0) is None
    assert beats.next_poll() == 3610.0


@given(st.lists(st.tuples(st.floats(0, 5), st.sampled_from(["poll", "demand", "ack", "wrong"])), max_size=60))
def test_nonces_never_repeat_and_the_memory_is_bounded(steps):
    beats, now, seen = Heartbeat(1_000, 0.0), 0.0, []
    for wait, step in steps:
        now += wait
        if step == "poll":
            nonce = beats.poll(now)
            seen.extend([] if nonce is None else [nonce])
        elif step == "demand":
            seen.append(beats.demanded(now))
        elif seen:
            beats.acknowledged(seen[-1] if step == "ack" else seen[0] - 1, now)
    assert seen == sorted(set(seen))
    assert len(beats._sent_at) <= 16
