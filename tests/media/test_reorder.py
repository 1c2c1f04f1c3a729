import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.media.reorder import Frame, Position, ReorderWindow

CODE_20_MS = b"\xfc" + bytes(9)
SILENCE = b"\xf8\xff\xfe"
TOC_BY_MS = {2.5: 0xE0, 5: 0xE8, 10: 0xF0, 20: 0xF8, 40: 0x10, 60: 0x18}


def frame(n, payload=CODE_20_MS, arrival=None, sequence=65_500, timestamp=0xFFFF_FE00, ticks=960):
    return Frame(
        payload,
        (sequence + n) & 0xFFFF,
        (timestamp + n * ticks) & 0xFFFF_FFFF,
        n * 0.02 if arrival is None else arrival,
    )


def play(frames, drain_at=lambda f: f.arrival, window=None):
    window = ReorderWindow() if window is None else window
    out = []
    for each in frames:
        if window.locate(each.sequence, each.timestamp, each.arrival) is Position.FITS:
            window.push(each)
        out += window.drain(drain_at(each))
    return out, window


def numbers(ordered, sequence=65_500):
    return [(each.frame.sequence - sequence) & 0xFFFF for each in ordered]


def test_in_order_nothing_waits_across_both_wraps():
    out, window = play([frame(n) for n in range(200)])
    assert numbers(out) == list(range(200))
    assert len(window) == 0
    assert [each.missing_packets for each in out] == [0] * 200
    assert [each.begins for each in out] == [True] + [False] * 199


def test_a_swap_is_put_right():
    out, _ = play([frame(0), frame(2, arrival=0.04), frame(1, arrival=0.045), frame(3)])
    assert numbers(out) == [0, 1, 2, 3]
    assert all(each.missing_packets == 0 for each in out)


def test_a_gap_is_given_up_at_the_deadline():
    window = ReorderWindow()
    play([frame(0), frame(3)], window=window)
    assert window.deadline == pytest.approx(0.06 + 0.06)
    assert window.drain(0.1199) == []
    (released,) = window.drain(0.1201)
    assert (released.missing_packets, released.missing_ticks) == (2, 2 * 960)


@pytest.mark.parametrize("ms", sorted(TOC_BY_MS))
def test_missing_time_comes_from_the_clock_whatever_the_packet_length(ms):
    ticks = int(ms * 48)
    payload = bytes((TOC_BY_MS[ms],)) + bytes(9)
    window = ReorderWindow()
    for n in (0, 1, 4):
        window.push(frame(n, payload, arrival=n * ms / 1000, ticks=ticks))
        out = window.drain(n * ms / 1000)
    out = window.drain(9)
    assert (out[0].missing_packets, out[0].missing_ticks) == (2, 2 * ticks)


def test_a_pause_with_consecutive_numbers_is_no_gap():
    later = frame(1, arrival=5.0)._replace(timestamp=(0xFFFF_FE00 + 240_000) & 0xFFFF_FFFF)
    out, _ = play([frame(0), later])
    assert (out[1].missing_packets, out[1].missing_ticks) == (0, 0)


def test_a_loss_and_a_pause_together_count_the_lost_packets_only():
    later = frame(2, arrival=5.0)._replace(timestamp=(0xFFFF_FE00 + 240_000) & 0xFFFF_FFFF)
    out, window = play([frame(0), later])
    out += window.drain(9)
    assert (out[1].missing_packets, out[1].missing_ticks) == (1, 960)


def test_after_silence_and_a_pause_nothing_is_known_to_be_missed():
    _, window = play([frame(0, SILENCE), frame(3, arrival=5.0)])
    assert [each.after_quiet for each in window.drain(9)] == [True]


def test_where_as_much_time_as_packets_went_by_the_sender_went_on_also_after_silence():
    _, window = play([frame(0, SILENCE), frame(3)])
    assert [each.after_quiet for each in window.drain(9)] == [False]


def test_a_pause_that_rtp_time_shows_is_one_although_it_was_short():
    paused = frame(3)._replace(timestamp=(0xFFFF_FE00 + 10 * 960) & 0xFFFF_FFFF)
    _, window = play([frame(0, SILENCE), paused])
    assert [each.after_quiet for each in window.drain(9)] == [True]


def test_a_frame_that_is_there_twice_is_a_duplicate_also_while_it_waits():
    _, window = play([frame(0), frame(2)])
    for n in (0, 2):
        again = frame(n)
        assert window.locate(again.sequence, again.timestamp, 1.0) is Position.DUPLICATE


def test_a_frame_that_was_given_up_is_late_and_then_a_duplicate():
    _, window = play([frame(0), frame(2)], drain_at=lambda _: 9.0)
    missed = frame(1, arrival=1.0)
    assert window.locate(missed.sequence, missed.timestamp, 1.0) is Position.LATE
    assert window.note_late(missed)
    assert window.locate(missed.sequence, missed.timestamp, 1.0) is Position.DUPLICATE


def test_a_frame_from_before_the_start_is_late():
    _, window = play([frame(5), frame(6)])
    early = frame(3)
    assert window.locate(early.sequence, early.timestamp, 1.0) is Position.LATE
    assert not window.note_late(early)


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF))
def test_a_random_jump_is_seen_at_once(sequence, timestamp):
    _, window = play([frame(n) for n in range(100)])
    ahead = (timestamp - frame(99).timestamp) & 0xFFFF_FFFF
    near = ahead < 50_000_000 or ahead > 0xFFFF_FFFF - 50_000_000
    if not near and (sequence - frame(99).sequence) & 0xFFFF != 1:
        assert window.locate(sequence, timestamp, 2.02) is Position.RESTART


def test_a_minute_of_outage_is_a_gap_and_not_another_sequence():
    out, window = play([frame(0), frame(2_000)])
    out += window.drain(99)
    assert (out[1].missing_packets, out[1].missing_ticks) == (1_999, 1_999 * 960)


def test_a_restart_begins_anew():
    _, window = play([frame(0), frame(1)])
    window.restart()
    out, _ = play([frame(40_000)], window=window)
    assert (out[0].begins, out[0].missing_packets) == (True, 0)


def test_what_is_known_to_be_unusable_is_not_waited_for_nor_missing():
    _, window = play([frame(0)])
    window.mark_unusable(frame(1).sequence)
    window.push(frame(2))
    (released,) = window.drain(0.04)
    assert (released.missing_packets, released.missing_ticks) == (0, 960)


def test_what_turns_out_usable_is_played():
    _, window = play([frame(0)])
    window.mark_unusable(frame(1).sequence)
    out, _ = play([frame(1), frame(2)], window=window)
    assert numbers(out) == [1, 2]


def test_flush_gives_everything_at_once():
    _, window = play([frame(0), frame(2), frame(4)])
    assert [each.missing_packets for each in window.flush()] == [1, 1]
    assert len(window) == 0


def test_a_burst_behind_a_gap_does_not_pile_up():
    out, window = play([frame(0), *(frame(n, arrival=0.02) for n in range(2, 80))])
    assert len(window) == 0
    assert len(out) == 79


@settings(max_examples=200)
@given(st.data())
def test_any_order_and_loss_comes_out_in_sequence_with_the_gaps_named(data):
    count = data.draw(st.integers(2, 60))
    kept = [n for n in range(count) if n == 0 or data.draw(st.integers(0, 4))]
    arrivals = sorted((n * 0.02 + data.draw(st.integers(0, 100)) / 1000 * (n > 0), n) for n in kept)
    window, out, late = ReorderWindow(), [], 0
    for arrival, n in arrivals:
        out += window.drain(arrival)
        each = frame(n, arrival=arrival)
        where = window.locate(each.sequence, each.timestamp, arrival)
        assert where in {Position.FITS, Position.LATE}
        if where is Position.FITS:
            window.push(each)
        else:
            late += window.note_late(each)
        out += window.drain(arrival)
        assert window.deadline is None or window.deadline <= arrival + 0.06
    out += window.flush()
    got = numbers(out)
    assert got == sorted(set(got))
    last = got[-1]
    assert len(got) + sum(each.missing_packets for each in out) == last + 1
    assert sum(each.missing_ticks for each in out) == 960 * sum(each.missing_packets for each in out)
    assert len(got) + late == len(kept)


def state_of(window):
    parts = (window.jitter, window._given_up)
    state = {name: value for name, value in vars(window).items() if value not in parts}
    return state | {name: getattr(part, name) for part in parts for name in type(part).__slots__}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_to_pass_a_frame_on_is_to_push_and_drain_it(data):
    order = data.draw(st.lists(st.integers(0, 12), max_size=30))
    plain, quick = ReorderWindow(), ReorderWindow()
    for step, n in enumerate(order):
        each = frame(n, arrival=step * 0.015)
        position = plain.locate(each.sequence, each.timestamp, each.arrival)
        assert position is quick.locate(each.sequence, each.timestamp, each.arrival)
        if data.draw(st.integers(0, 5)) == 0:
            plain.mark_unusable(each.sequence)
            quick.mark_unusable(each.sequence)
        elif position is Position.FITS:
            plain.push(each)
            passed = quick.pass_on(each)
            if passed is None:
                quick.push(each)
            out = plain.drain(each.arrival)
            assert out == ([passed] if passed is not None else quick.drain(each.arrival))
        assert state_of(plain) == state_of(quick)


def test_what_is_in_turn_is_passed_on_at_once_and_nothing_else_is():
    window = ReorderWindow()
    play([frame(0)], window=window)
    assert numbers([window.pass_on(frame(1))]) == [1]
    assert window.pass_on(frame(3)) is None
    window.push(frame(3))
    assert window.pass_on(frame(2)) is None


def test_after_hours_of_losses_no_more_is_remembered_than_after_minutes():
    _, window = play([frame(n) for n in range(30_000) if n % 10], drain_at=lambda f: f.arrival + 1)
    assert len(window._given_up) <= 600
